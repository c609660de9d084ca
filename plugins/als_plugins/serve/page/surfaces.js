// Surfaces: how light falls on things, and how finely round things are cut. Where there is no
// graphics card (`soft`), light is worked out for corners and not for pixels, and round things have
// fewer corners: a picture then costs a half to a third.

import * as THREE from "./three/three.module.js";

// The context of the page's canvas. Whether edges can be smooth is said when it is made, and who
// draws is known only then: a graphics card gets a second canvas, which costs it nothing.
const ways = { alpha: true, depth: true, stencil: false, premultipliedAlpha: true, powerPreference: "high-performance" };
const canvas = document.getElementById("view");
const plain = canvas.getContext("webgl2", { ...ways, antialias: false });
export const soft = drawnBySoftware(plain);
export const context = soft ? plain : smooth();

function drawnBySoftware(gl) {
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  return /swiftshader|llvmpipe|software/i.test(info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "");
}

function smooth() {
  const second = canvas.cloneNode();
  canvas.replaceWith(second);
  plain?.getExtension("WEBGL_lose_context")?.loseContext();
  return second.getContext("webgl2", { ...ways, antialias: true });
}

const CORNERS = soft ? 16 : 32;
export const BOX = new THREE.BoxGeometry(2, 2, 2);
export const BALL = ball(soft ? 14 : 28, soft ? 10 : 18);
export const SMALL_BALL = ball(soft ? 8 : 16, soft ? 6 : 12);
export const CYLINDER = new THREE.CylinderGeometry(1, 1, 2, CORNERS).rotateX(Math.PI / 2);
export const CAPSULE = new THREE.CapsuleGeometry(1, 1, soft ? 2 : 4, soft ? 8 : 12).rotateX(Math.PI / 2);

function ball(around, down) {
  return new THREE.SphereGeometry(1, around, down).rotateX(Math.PI / 2);
}

// A surface that sends light back evenly; `patch(shader)` may change what it is compiled from, and
// `key` tells such changes apart.
export function matt(options, patch = null, key = "") {
  const material = new THREE.MeshLambertMaterial(options);
  if (!soft && !patch) return material;
  material.onBeforeCompile = (shader) => {
    if (soft) Object.assign(shader, LIT_AT_CORNERS);
    patch?.(shader);
  };
  material.customProgramCacheKey = () => key;
  return material;
}

// The same light, of a hemisphere and a sun (`Scene.light`), worked out for corners: all that is
// left for a pixel is its shadow.
const LIT_AT_CORNERS = {
  vertexShader: `
    #include <common>
    #include <uv_pars_vertex>
    #include <lights_pars_begin>
    #include <shadowmap_pars_vertex>
    varying vec3 around, sunned;
    void main() {
      #include <uv_vertex>
      #include <beginnormal_vertex>
      #include <defaultnormal_vertex>
      #include <begin_vertex>
      #include <project_vertex>
      #include <worldpos_vertex>
      #include <shadowmap_vertex>
      vec3 way = normalize(transformedNormal);
      around = getHemisphereLightIrradiance(hemisphereLights[0], way) * RECIPROCAL_PI;
      sunned = directionalLights[0].color * max(0.0, dot(way, directionalLights[0].direction)) * RECIPROCAL_PI;
    }`,
  fragmentShader: `
    uniform vec3 diffuse;
    #include <common>
    #include <packing>
    #include <uv_pars_fragment>
    #include <map_pars_fragment>
    #include <lights_pars_begin>
    #include <shadowmap_pars_fragment>
    #include <shadowmask_pars_fragment>
    varying vec3 around, sunned;
    void main() {
      vec4 diffuseColor = vec4(diffuse, 1.0);
      #include <map_fragment>
      #include <color_fragment>
      gl_FragColor = vec4(diffuseColor.rgb * (around + sunned * getShadowMask()), 1.0);
    }`,
};
