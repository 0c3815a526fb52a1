// A recording that is given: a file as it is, or what the microphones hear, as a WAV file without any processing. gradio's
// own recorder would encode it as a lossy format first.
const message = element.querySelector(".sl-message");
const button = element.querySelector(".sl-record");
const drop = element.querySelector(".sl-drop");
const input = element.querySelector("input");
let recording = null;

element.querySelector(".sl-expects").textContent = props.expects;
button.hidden = !props.records; // a browser records two channels, and this model hears others

async function give(file) {
  if (file.size > props.most_bytes) {
    message.textContent = `The file has ${file.size} bytes, more than the ${props.most_bytes} that are taken; cut it.`;
    return;
  }
  message.textContent = "";
  try {
    const { path } = await upload(file);
    props.value = { path, name: file.name, told: Date.now() };
    trigger("given");
  } catch (error) {
    message.textContent = `The file was not taken (${error.message || error}).`;
  }
}

// 32-bit float WAV of planar channels.
function wav(channels, rate) {
  const frames = channels[0].length;
  const bytes = 4 * frames * channels.length;
  const view = new DataView(new ArrayBuffer(44 + bytes));
  const text = (at, word) => [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + bytes, true); text(8, "WAVEfmt "); view.setUint32(16, 16, true);
  view.setUint16(20, 3, true); view.setUint16(22, channels.length, true); view.setUint32(24, rate, true);
  view.setUint32(28, 4 * rate * channels.length, true); view.setUint16(32, 4 * channels.length, true);
  view.setUint16(34, 32, true); text(36, "data"); view.setUint32(40, bytes, true);
  let at = 44;
  for (let i = 0; i < frames; i++) for (const channel of channels) { view.setFloat32(at, channel[i], true); at += 4; }
  return new File([view], "recorded.wav", { type: "audio/wav" });
}

const LISTENER = `registerProcessor("listener", class extends AudioWorkletProcessor {
  process(inputs) { if (inputs[0].length) this.port.postMessage(inputs[0].map((channel) => channel.slice())); return true; }
});`;

async function begin() {
  // Echo cancellation, noise suppression and gain control change exactly what tells directions.
  const wanted = { channelCount: 2, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
  const context = new AudioContext();
  const module = URL.createObjectURL(new Blob([LISTENER], { type: "text/javascript" }));
  await context.audioWorklet.addModule(module);
  URL.revokeObjectURL(module);
  const listener = new AudioWorkletNode(context, "listener");
  const blocks = [];
  listener.port.onmessage = (event) => blocks.push(event.data);
  context.createMediaStreamSource(stream).connect(listener);
  recording = { stream, context, blocks, timer: setTimeout(end, 1000 * props.most_seconds) };
  button.textContent = "Stop";
  button.classList.add("sl-running");
}

async function end() {
  const { stream, context, blocks, timer } = recording;
  recording = null;
  clearTimeout(timer);
  button.textContent = "Record with two microphones";
  button.classList.remove("sl-running");
  stream.getTracks().forEach((track) => track.stop());
  const rate = context.sampleRate;
  await context.close();
  if (!blocks.length) { message.textContent = "Nothing came from the microphone; try again."; return; }
  const count = Math.min(...blocks.map((block) => block.length));
  const channels = Array.from({ length: count }, (_, channel) => {
    const joined = new Float32Array(blocks.reduce((sum, block) => sum + block[0].length, 0));
    let at = 0;
    for (const block of blocks) { joined.set(block[channel], at); at += block[channel].length; }
    return joined;
  });
  await give(wav(channels, rate));
}

input.addEventListener("change", () => { if (input.files[0]) give(input.files[0]); input.value = ""; });
button.addEventListener("click", async () => {
  try {
    await (recording ? end() : begin());
  } catch (error) {
    message.textContent = `The microphones cannot be used (${error.message}); upload a recording.`;
  }
});
for (const name of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("sl-over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files[0]) give(event.dataTransfer.files[0]);
  });
}
