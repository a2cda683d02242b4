/*
 * `npm run images`: builds every ELF file under images/ from its sources with gcc and binutils.
 *
 * The results are committed, so nobody needs a compiler to run anything; with the tool versions of
 * VERSIONS.json they come out byte for byte the same. `--out DIR` builds there and touches nothing.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildKernels, buildMiniXen } from "./recipes/hypervisor.mjs";
import { buildPayloads } from "./recipes/payloads.mjs";

const images = dirname(fileURLToPath(import.meta.url));

/** The first line of `<tool> --version`. */
function versionOf(tool) {
  return execFileSync(tool, ["--version"], { encoding: "utf8" }).split("\n")[0];
}

export function toolVersions() {
  return Object.fromEntries(["gcc", "as", "ld", "objcopy"].map((tool) => [tool, versionOf(tool)]));
}

/** Builds all ELF files into `out` (laid out as images/) and returns their names. */
export function buildAll(out) {
  const work = mkdtempSync(join(tmpdir(), "xsplice-images-"));
  try {
    mkdirSync(join(out, "mini-xen"), { recursive: true });
    mkdirSync(join(out, "bench"), { recursive: true });
    mkdirSync(join(out, "payloads"), { recursive: true });
    const built = ["mini-xen/mini-xen", "bench/kernels"];
    buildMiniXen(images, work, join(out, built[0]));
    buildKernels(images, work, join(out, built[1]));
    const payloads = buildPayloads(images, work, join(out, built[0]), join(out, "payloads"));
    return built.concat(payloads.map((name) => `payloads/${name}`));
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
      cpSync(join(out, name), join(images, name));
      console.log(`${name}: ${readFileSync(join(images, name)).length} bytes`);
    }
    rmSync(out, { recursive: true, force: true });
    writeFileSync(join(images, "VERSIONS.json"), `${JSON.stringify(toolVersions(), null, 2)}\n`);
  }
}
