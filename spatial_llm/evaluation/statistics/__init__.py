"""Values with confidence intervals: functions of item weights, and the bootstrap over recordings that resamples them."""
