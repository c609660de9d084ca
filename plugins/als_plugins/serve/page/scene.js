// The stage: light as the raster has it, the floor with its tiles, the sky, and the renderer.

import * as THREE from "./three/three.module.js";
import { context, matt, soft } from "./surfaces.js";

// Colours are mixed as they are written, not as light adds up: so does the raster.
THREE.ColorManagement.enabled = false;
THREE.Object3D.DEFAULT_UP.set(0, 0, 1);

const SUN = new THREE.Vector3(-0.5, -0.22, 0.84); // Towards the sun, als_engine/render/scene.py.
const FLOOR = [218, 208, 190], CONTRAST = 0.065;
const MARGIN = 0.6;
const COARSEST = 0.45;
const SLOW = 42, QUICK = 24; // Milliseconds a picture: beyond them the resolution changes.

export class Scene {
  constructor(canvas) {
    this.canvas = canvas;
    // Without a graphics card every pixel costs: no smoothed edges, and fewer shadows.
    this.soft = soft;
    document.body.classList.toggle("soft", this.soft);
    this.renderer = new THREE.WebGLRenderer({ canvas, context: context ?? undefined });
    this.renderer.outputColorSpace = THREE.LinearSRGBColorSpace;
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = this.soft ? THREE.BasicShadowMap : THREE.PCFShadowMap;
    this.renderer.shadowMap.autoUpdate = false;
    this.scene = new THREE.Scene();
    this.camera = new THREE.PerspectiveCamera(42, 1, 0.08, 400);
    this.size = [0, 0];
    this.fineness = Math.min(window.devicePixelRatio || 1, 2);
    this.most = this.fineness;
    this.times = [];
    this.drawn = 0;
    this.seen = "";
    this.aside = 0;
    this.light();
    if (this.soft) this.renderer.setClearColor(0xd6dee6);
    else this.scene.add(sky());
    this.floor = null;
    this.bounds = [-5, -5, 5, 5];
  }

  light() {
    // A hemisphere towards the sun is `ambient + sun * cosine`, also on the side in shade.
    const around = new THREE.HemisphereLight(0xffffff, 0xffffff, Math.PI);
    around.position.copy(SUN);
    around.color.setScalar(0.83);
    around.groundColor.setScalar(0.47);
    this.scene.add(around);
    this.sun = new THREE.DirectionalLight(0xffffff, 0.25 * Math.PI);
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.set(1024, 1024);
    this.sun.shadow.bias = -0.0008;
    this.sun.shadow.normalBias = 0.035;
    this.sun.shadow.radius = 2;
    this.scene.add(this.sun, this.sun.target);
  }

  // Lays the floor under a level and lets the sun shine on all of it.
  lay(bounds) {
    this.bounds = bounds;
    const [x0, y0, x1, y1] = bounds;
    const [wide, deep] = [x1 - x0 + 2 * MARGIN, y1 - y0 + 2 * MARGIN];
    const middle = new THREE.Vector3((x0 + x1) / 2, (y0 + y1) / 2, 0);
    if (this.floor) this.scene.remove(this.floor);
    this.floor = floor(wide, deep, middle);
    this.scene.add(this.floor);
    const reach = Math.hypot(wide, deep) / 2 + 1;
    this.sun.target.position.copy(middle);
    this.sun.position.copy(middle).addScaledVector(SUN, 3 * reach);
    const box = this.sun.shadow.camera;
    Object.assign(box, { left: -reach, right: reach, top: reach, bottom: -reach, near: reach, far: 5 * reach });
    box.updateProjectionMatrix();
    this.sun.shadow.mapSize.setScalar(reach > 12 && !this.soft ? 2048 : 1024);
    this.sun.shadow.map?.dispose();
    this.sun.shadow.map = null;
  }

  fit() {
    const size = [window.innerWidth, window.innerHeight];
    if (size[0] === this.size[0] && size[1] === this.size[1]) return;
    this.size = size;
    this.renderer.setPixelRatio(this.fineness);
    this.renderer.setSize(...size, false);
    this.camera.aspect = size[0] / size[1];
    this.shift(this.aside);
  }

  // Moves the picture aside by some pixels: its middle is then free of panels.
  shift(pixels) {
    this.aside = pixels;
    this.camera.setViewOffset(...this.size, pixels, 0, ...this.size);
  }

  // Draws fewer pixels where pictures come slowly, and more where there is time.
  adapt(milliseconds) {
    this.times.push(milliseconds);
    if (this.times.length < (milliseconds > 2 * SLOW ? 5 : 24)) return;
    const typical = this.times.sort((a, b) => a - b)[this.times.length >> 1];
    this.times = [];
    const wanted = typical > SLOW ? this.fineness * 0.75 : typical < QUICK ? this.fineness * 1.15 : this.fineness;
    const fineness = Math.min(this.most, Math.max(COARSEST, wanted));
    if (Math.abs(fineness - this.fineness) < 0.02) return;
    this.fineness = fineness;
    this.size = [0, 0];
  }

  // Draws, if anything differs from the last picture; returns whether it did.
  draw(moved) {
    this.fit();
    this.camera.updateMatrixWorld();
    const seen = `${this.camera.matrixWorld.elements} ${this.camera.fov} ${this.size} ${this.fineness} ${this.aside}`;
    if (!moved && seen === this.seen) return false;
    this.seen = seen;
    this.drawn += 1;
    if (moved && !(this.soft && this.drawn % 3)) this.renderer.shadowMap.needsUpdate = true;
    this.renderer.render(this.scene, this.camera);
    return true;
  }
}

function floor(wide, deep, middle) {
  const tiles = document.createElement("canvas");
  tiles.width = tiles.height = 128;
  const pen = tiles.getContext("2d");
  for (const [x, y, sign] of [[0, 0, 1], [64, 64, 1], [64, 0, -1], [0, 64, -1]]) {
    pen.fillStyle = `rgb(${FLOOR.map((c) => c * (1 + (sign * CONTRAST) / 2)).join(" ")})`;
    pen.fillRect(x, y, 64, 64);
  }
  const texture = new THREE.CanvasTexture(tiles);
  texture.wrapS = texture.wrapT = THREE.RepeatWrapping;
  texture.anisotropy = soft ? 1 : 8;
  texture.repeat.set(wide / 2, deep / 2);
  texture.offset.set(((middle.x - wide / 2) / 2) % 1, ((middle.y - deep / 2) / 2) % 1);
  const top = new THREE.Mesh(new THREE.PlaneGeometry(wide, deep), matt({ map: texture }));
  top.receiveShadow = true;
  const slab = new THREE.Mesh(new THREE.BoxGeometry(wide, deep, 0.3), matt({ color: 0xb5aa96 }));
  slab.position.z = -0.152;
  const both = new THREE.Group();
  both.add(top, slab);
  both.position.copy(middle);
  return both;
}

// A dome: haze below the horizon, blue above it.
function sky() {
  const material = new THREE.ShaderMaterial({
    side: THREE.BackSide,
    depthWrite: false,
    vertexShader: "varying vec3 way; void main() { way = position; gl_Position = projectionMatrix * vec4(mat3(modelViewMatrix) * position, 1.0); gl_Position.z = gl_Position.w; }",
    fragmentShader: `varying vec3 way;
      void main() {
        float up = normalize(way).z;
        vec3 haze = vec3(0.855, 0.894, 0.929), ground = vec3(0.820, 0.851, 0.882), zenith = vec3(0.44, 0.627, 0.84);
        vec3 color = up > 0.0 ? mix(haze, zenith, pow(up, 0.7)) : mix(haze, ground, min(1.0, -up * 2.5));
        gl_FragColor = vec4(color, 1.0);
      }`,
  });
  const dome = new THREE.Mesh(new THREE.SphereGeometry(50, 24, 16), material);
  dome.frustumCulled = false;
  dome.renderOrder = -1;
  return dome;
}
