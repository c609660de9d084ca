// Bodies: the colours of trunk, shoulders and head by the raster's rules, and arms with hands,
// which swing as one walks and reach out for what one holds.

import * as THREE from "./three/three.module.js";
import { CAPSULE, SMALL_BALL, matt, soft } from "./surfaces.js";

const SKIN = 0xe0b08e;

// A material of one colour, or of three: the second and third lie where a rule says, in a part's
// own frame. A rule is a row of `RULES` in als_engine/render/scene.py.
export function paint(colors, rule) {
  if (colors.length === 1 || !rule) return matt({ color: colors[0] });
  const [front, wide, bottom, top, splitX, splitZ, split] = rule.map((value) => value.toFixed(4));
  const [second, third] = colors.slice(1).map((color) => new THREE.Color(color));
  const patch = (shader) => {
    shader.uniforms.second = { value: second };
    shader.uniforms.third = { value: third };
    shader.vertexShader = shader.vertexShader
      .replace("#include <common>", "#include <common>\nvarying vec3 part;")
      .replace("#include <begin_vertex>", "#include <begin_vertex>\npart = position;");
    shader.fragmentShader = shader.fragmentShader
      .replace("#include <common>", "#include <common>\nvarying vec3 part;\nuniform vec3 second, third;")
      .replace(
        "#include <color_fragment>",
        `#include <color_fragment>
        if (part.x > ${front} && abs(part.y) < ${wide} && part.z > ${bottom} && part.z < ${top}) diffuseColor.rgb = second;
        else if (part.x * ${splitX} + part.z * ${splitZ} > ${split}) diffuseColor.rgb = third;`,
      );
  };
  return matt({ color: colors[0] }, patch, rule.join(" "));
}

export class Limbs {
  constructor(look) {
    const { radius, height, parts } = look;
    this.group = new THREE.Group();
    this.group.position.z = 0.72 * height - parts[0].half[2];
    this.phase = 0;
    this.stride = 0;
    this.reach = 0;
    this.holds = false;
    this.materials = [paint([parts[0].colors[0]]), matt({ color: SKIN })];
    this.arms = [1, -1].map((side) => this.arm(side, radius, height));
    this.group.add(...this.arms);
  }

  arm(side, radius, height) {
    const [length, thick] = [0.24 * height, 0.21 * radius];
    const pivot = new THREE.Group();
    pivot.position.set(0.02, side * radius * 1.06, 0);
    const sleeve = new THREE.Mesh(CAPSULE, this.materials[0]);
    sleeve.scale.set(thick, thick, length / 2.4);
    sleeve.position.z = -length / 2;
    const hand = new THREE.Mesh(SMALL_BALL, this.materials[1]);
    hand.scale.setScalar(thick * 1.15);
    hand.position.z = -length - thick * 0.4;
    for (const each of [sleeve, hand]) each.castShadow = !soft;
    pivot.add(sleeve, hand);
    pivot.rotation.x = side * 0.12;
    return pivot;
  }

  // Moves on by so many metres; returns whether the arms are at rest.
  swing(metres, now) {
    this.phase += metres * 5.5;
    const wanted = Math.min(1, metres * 22);
    this.stride += (wanted - this.stride) * 0.18;
    this.reach += ((this.holds ? 1 : 0) - this.reach) * 0.25;
    const sweep = Math.sin(this.phase) * 0.55 * this.stride * (1 - this.reach);
    this.arms.forEach((arm, i) => {
      arm.rotation.y = -(1.25 * this.reach) + (i ? -sweep : sweep);
      arm.rotation.x = (i ? -1 : 1) * (0.12 - 0.3 * this.reach);
    });
    return this.stride < 0.01 && Math.abs((this.holds ? 1 : 0) - this.reach) < 0.01;
  }

  dispose() {
    for (const material of this.materials) material.dispose();
  }
}
