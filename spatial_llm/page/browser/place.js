// The picture in which a sound is placed. It tells Python a place by props.value and the event "place".
// Frame: metres to the right (x) and ahead (y) of the listener, who looks up; azimuth 0 = ahead, positive = left.
const SVG = "http://www.w3.org/2000/svg";
const map = element.querySelector(".sl-map");
const message = element.querySelector(".sl-message");
const field = (name) => element.querySelector(`[name=${name}]`);
const place = { ...props.start };
let scale = 1;
let waiting = null;

function fill(name, options) {
  for (const [value, text] of options) field(name).add(new Option(text, value));
  field(name).value = place[name];
}

function shape(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  map.append(made);
  return made;
}

const radians = (degrees) => (degrees * Math.PI) / 180;
const spot = () => {
  const along = place.distance_m * Math.cos(radians(place.elevation_deg));
  return [-along * Math.sin(radians(place.azimuth_deg)), along * Math.cos(radians(place.azimuth_deg))];
};

// The distance at which a sound in this direction is at a wall, the floor or the ceiling.
function farthest() {
  const edges = props.rooms[place.room].edges_m;
  const flat = Math.cos(radians(place.elevation_deg));
  const steps = {
    ahead: flat * Math.cos(radians(place.azimuth_deg)),
    left: flat * Math.sin(radians(place.azimuth_deg)),
    above: Math.sin(radians(place.elevation_deg)),
  };
  const across = { ahead: "behind", left: "right", above: "below" };
  const reach = Object.entries(steps).map(([way, step]) =>
    Math.abs(step) < 1e-9 ? Infinity : edges[step > 0 ? way : across[way]] / Math.abs(step));
  return Math.floor(100 * Math.min(...reach, props.most_m)) / 100;
}

function draw() {
  const edges = props.rooms[place.room].edges_m;
  const half = Math.max(edges.ahead, edges.behind, edges.left, edges.right) + 0.25;
  scale = 160 / half;
  map.replaceChildren();
  const walls = { x: -edges.left * scale, y: -edges.ahead * scale, width: (edges.left + edges.right) * scale,
    height: (edges.ahead + edges.behind) * scale };
  map.setAttribute("viewBox", `${walls.x - 4} ${walls.y - 4} ${walls.width + 8} ${walls.height + 8}`);
  shape("rect", { class: "sl-room", ...walls });
  const clip = shape("clipPath", { id: "sl-walls" });
  clip.append(shape("rect", walls));
  const step = half > 6 ? 2 : 1;
  for (let metre = step; metre < half; metre += step) {
    shape("circle", { class: "sl-ring", r: metre * scale, "clip-path": "url(#sl-walls)" });
    if (metre < edges.ahead) shape("text", { class: "sl-metres", x: 4, y: -metre * scale + 12 }, `${metre} m`);
  }
  const head = shape("g", { class: "sl-head" });
  head.innerHTML = '<path d="M-6 -9 L0 -20 L6 -9 Z"/><circle r="11"/><circle cx="-11.5" r="3"/><circle cx="11.5" r="3"/>';
  const [x, y] = spot();
  shape("line", { class: "sl-way", x1: 0, y1: 0, x2: x * scale, y2: -y * scale });
  shape("circle", { class: "sl-dot", cx: x * scale, cy: -y * scale, r: 10 });
  field("azimuth_deg").value = Math.round(place.azimuth_deg);
  field("distance_m").value = place.distance_m.toFixed(2).replace(/0$/, "");
  field("elevation_deg").value = place.elevation_deg;
  element.querySelector("output").textContent = `${place.elevation_deg}°`;
}

function move(changes) {
  Object.assign(place, changes);
  place.azimuth_deg = ((((place.azimuth_deg + 180) % 360) + 360) % 360) - 180;
  place.distance_m = Math.max(props.least_m, Math.min(place.distance_m, farthest()));
  draw();
}

function moveTo(event) {
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
  const [right, ahead] = [at.x / scale, -at.y / scale];
  const along = Math.hypot(right, ahead);
  move({ azimuth_deg: (Math.atan2(-right, ahead) * 180) / Math.PI,
    distance_m: Math.round((100 * along) / Math.cos(radians(place.elevation_deg))) / 100 });
}

// Tells Python, a moment after the last of several changes.
function tell(after_ms = 0) {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    if (place.sound === props.own_sound && !place.own_path && !place.own_known) {
      message.textContent = "Choose a file with your sound first.";
      return;
    }
    message.textContent = "";
    props.value = { ...place, told: Date.now() };
    trigger("place");
    if (place.own_path) Object.assign(place, { own_path: null, own_known: true });
  }, after_ms);
}

map.addEventListener("pointerdown", (event) => {
  map.setPointerCapture(event.pointerId);
  map.classList.add("sl-moving");
  moveTo(event);
  event.preventDefault();
  map.focus();
});
map.addEventListener("pointermove", (event) => { if (map.hasPointerCapture(event.pointerId)) moveTo(event); });
map.addEventListener("pointerup", (event) => {
  map.releasePointerCapture(event.pointerId);
  map.classList.remove("sl-moving");
  tell();
});
map.addEventListener("keydown", (event) => {
  const turns = { ArrowLeft: 5, ArrowRight: -5 };
  const steps = { ArrowUp: 0.1, ArrowDown: -0.1 };
  if (event.key in turns) move({ azimuth_deg: place.azimuth_deg + turns[event.key] });
  else if (event.key in steps) move({ distance_m: place.distance_m + steps[event.key] });
  else return;
  event.preventDefault();
  tell(400);
});
for (const name of ["azimuth_deg", "distance_m", "elevation_deg"]) {
  field(name).addEventListener("change", () => {
    const given = field(name).valueAsNumber;
    if (Number.isFinite(given)) move({ [name]: given });
    tell(name === "elevation_deg" ? 200 : 0);
  });
}
field("elevation_deg").addEventListener("input", () => move({ elevation_deg: field("elevation_deg").valueAsNumber }));
for (const name of ["sound", "room", "head"]) {
  field(name).addEventListener("change", () => {
    place[name] = field(name).value;
    element.querySelector(".sl-own").hidden = place.sound !== props.own_sound;
    move({});
    tell();
  });
}
field("own").addEventListener("change", async () => {
  const file = field("own").files[0];
  if (!file) return;
  if (file.size > props.most_bytes) {
    message.textContent = `The file has ${file.size} bytes, more than the ${props.most_bytes} that are taken; cut it.`;
    return;
  }
  try {
    place.own_path = (await upload(file)).path;
  } catch (error) {
    message.textContent = `The file was not taken (${error.message || error}).`;
    return;
  }
  tell();
});

fill("sound", props.sounds);
fill("room", Object.entries(props.rooms).map(([name, room]) => [name, room.title]));
fill("head", props.heads.map((name) => [name, name]));
draw();
