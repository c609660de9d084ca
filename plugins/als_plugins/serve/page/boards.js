// Signs with their texts and screens with their pictures: the front of a thin box.

import * as THREE from "./three/three.module.js";

// Faces +x, as a sign's own frame has it: right is +y, up is +z.
const FACE = new THREE.PlaneGeometry(2, 2).rotateX(Math.PI / 2).rotateZ(Math.PI / 2);
const PIXELS = 320; // Of a metre.
const MARGINS = [0.94, 0.88];

function face(half, material) {
  const made = new THREE.Mesh(FACE, material);
  made.scale.set(1, half[1], half[2]);
  made.position.x = half[0] + 0.003;
  made.receiveShadow = false;
  return made;
}

export function board(half) {
  const canvas = document.createElement("canvas");
  const fine = Math.min(PIXELS, 1024 / (2 * Math.max(half[1], half[2])));
  canvas.width = Math.max(32, Math.round(2 * half[1] * fine));
  canvas.height = Math.max(32, Math.round(2 * half[2] * fine));
  const map = new THREE.CanvasTexture(canvas);
  map.anisotropy = 8;
  // A lamp shines on what is to be read.
  const made = face(half, new THREE.MeshBasicMaterial({ map }));
  made.userData.canvas = canvas;
  return made;
}

export function write(target, look) {
  const { canvas } = target.userData;
  const pen = canvas.getContext("2d");
  pen.fillStyle = look.parts[0].colors[0];
  pen.fillRect(0, 0, canvas.width, canvas.height);
  const lines = look.text.split("\n");
  const columns = Math.max(1, ...lines.map((line) => [...line].length));
  const font = (size) => `600 ${size}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace`;
  pen.font = font(100);
  const perColumn = pen.measureText("M").width / 100;
  const size = Math.min(
    (canvas.width * MARGINS[0]) / (columns * perColumn),
    (canvas.height * MARGINS[1]) / (lines.length * 1.12),
  );
  pen.font = font(size);
  pen.fillStyle = look.ink;
  pen.textBaseline = "middle";
  // Lines begin below one another, as in the raster: a table stays a table.
  const left = (canvas.width - columns * perColumn * size) / 2;
  lines.forEach((line, i) => {
    pen.fillText(line, left, canvas.height / 2 + (i - (lines.length - 1) / 2) * size * 1.12);
  });
  target.material.map.needsUpdate = true;
}

export function screenFace(half) {
  const made = face(half, new THREE.MeshBasicMaterial({ color: 0x181818 }));
  made.userData.show = (address) => {
    made.material.map?.dispose();
    made.material.map = null;
    made.material.color.set(address ? 0xffffff : 0x181818);
    made.material.needsUpdate = true;
    if (address) load(address, made.material);
  };
  return made;
}

function load(address, material) {
  const picture = new Image();
  picture.onload = () => {
    const map = new THREE.Texture(picture);
    map.magFilter = THREE.NearestFilter;
    map.needsUpdate = true;
    material.map = map;
    material.needsUpdate = true;
  };
  picture.src = address;
}
