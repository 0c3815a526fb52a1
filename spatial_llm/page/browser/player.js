// The player: a file with its levels as they are, and a meter for each channel while it plays. A line in the meter marks the
// level of the whole file.
const audio = element.querySelector("audio");
const meters = element.querySelector(".sl-meters");
const LEAST_DB = -60;
const share = (db) => Math.max(0, Math.min(1, 1 - db / LEAST_DB));
let analysers = null;

function show() {
  const value = props.value;
  element.querySelector(".sl-player").hidden = !value;
  element.querySelector(".sl-nothing").hidden = !!value;
  if (!value) return;
  element.querySelector(".sl-title").textContent = value.title;
  element.querySelector(".sl-loud").hidden = value.peak <= 1;
  audio.src = value.source;
  meters.replaceChildren(...value.names.map((name, channel) => {
    const row = document.createElement("div");
    row.className = "sl-meter";
    row.innerHTML = '<span></span><div><i></i><b></b></div><span class="sl-level"></span>';
    const [label, level] = row.querySelectorAll("span");
    label.textContent = name;
    level.textContent = `${value.levels_db[channel].toFixed(1)} dB`;
    row.querySelector("b").style.left = `${100 * share(value.levels_db[channel])}%`;
    return row;
  }));
}

function listen() {
  if (analysers) return;
  const context = new AudioContext();
  const source = context.createMediaElementSource(audio);
  const splitter = context.createChannelSplitter(2);
  source.connect(context.destination);
  source.connect(splitter);
  analysers = [0, 1].map((channel) => {
    const analyser = context.createAnalyser();
    splitter.connect(analyser, channel);
    return analyser;
  });
  context.resume();
}

function measure() {
  element.querySelectorAll(".sl-meter i").forEach((bar, channel) => {
    const samples = new Float32Array(analysers[channel].fftSize);
    analysers[channel].getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    // The volume of the player is no property of the file.
    const db = 10 * Math.log10(Math.max(power, 1e-12)) - 20 * Math.log10(Math.max(audio.volume, 1e-3));
    bar.style.width = audio.paused ? "0" : `${100 * share(db)}%`;
  });
  if (!audio.paused) requestAnimationFrame(measure);
}

audio.volume = 0.5;
audio.addEventListener("play", () => { listen(); measure(); });
audio.addEventListener("pause", () => requestAnimationFrame(measure));
watch("value", show);
show();
