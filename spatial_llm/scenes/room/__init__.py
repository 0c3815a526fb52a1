"""Room acoustics: how sound gets from a source to the listener's position, whatever receives it there."""
