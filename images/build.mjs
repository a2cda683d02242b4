/*
 * `npm run images`: builds every ELF file under images/, and the code that the machine itself
 * brings (assembly/hv/*_code.ts), from their sources with gcc and binutils.
 *
 * The results are committed, so nobody needs a compiler to run anything; with the tool versions of
 * VERSIONS.json they come out byte for byte the same. `--out DIR` builds there and touches nothing.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildCode } from "./recipes/code.mjs";
import { buildKernels, buildMiniXen, MINI_XEN, MINI_XEN_FRAMES } from "./recipes/hypervisor.mjs";
import { buildPayloads, payloadNames } from "./recipes/payloads.mjs";

const images = dirname(fileURLToPath(import.meta.url));

/** The first line of `<tool> --version`. */
function versionOf(tool) {
  return execFileSync(tool, ["--version"], { encoding: "utf8" }).split("\n")[0];
}

export function toolVersions() {
  return Object.fromEntries(["gcc", "as", "ld", "objcopy"].map((tool) => [tool, versionOf(tool)]));
}

/** Hypervisors, and the payloads that are built for each of them. */
const HYPERVISORS = [
  {
    image: "images/mini-xen/mini-xen",
    build: MINI_XEN,
    folder: "images/payloads",
    names: payloadNames(images),
  },
  {
    image: "images/mini-xen-frames/mini-xen-frames",
    build: MINI_XEN_FRAMES,
    folder: "images/mini-xen-frames",
    names: ["xsa125"],
  },
];

/** Builds everything into `out` (laid out as the project) and returns the files' names. */
export function buildAll(out) {
  const work = mkdtempSync(join(tmpdir(), "xsplice-images-"));
  const directory = (name) => {
    mkdirSync(join(out, name), { recursive: true });
    return join(out, name);
  };
  try {
    const built = ["images/bench/kernels"];
    directory("images/bench");
    buildKernels(images, work, join(out, built[0]));
    for (const { image, build, folder, names } of HYPERVISORS) {
      directory(dirname(image));
      buildMiniXen(images, build, work, join(out, image));
      const to = directory(folder);
      const payloads = buildPayloads(images, names, work, join(out, image), to, build);
      built.push(image, ...payloads.map((name) => `${folder}/${name}`));
    }
    const code = "assembly/hv";
    const sources = buildCode(images, work, directory(code));
    return [...built, ...sources.map((name) => `${code}/${name}`)];
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf("--out");
  if (at > 0) {
    buildAll(process.argv[at + 1]);
  } else {
    const out = mkdtempSync(join(tmpdir(), "xsplice-built-"));
    for (const name of buildAll(out)) {
      cpSync(join(out, name), join(images, "..", name));
      console.log(`${name}: ${readFileSync(join(out, name)).length} bytes`);
    }
    rmSync(out, { recursive: true, force: true });
    writeFileSync(join(images, "VERSIONS.json"), `${JSON.stringify(toolVersions(), null, 2)}\n`);
  }
}
