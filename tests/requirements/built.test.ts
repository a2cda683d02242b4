// What is committed as built: the image and the payloads come out of their recipes byte for
// byte, or at least have what the RFC shows (requirements R70, R194, R206-R211);
// include/xsplice.h compiles with gcc and clang. A tool that is not installed is said and
// skipped.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { createMachine } from "../../host/index.js";
import { sample } from "../engine/support.js";
import { filesBelow, inRoot, readText } from "../support/root.js";
import { sectionsOf } from "./support.js";

interface Recipes {
  buildAll(out: string): string[];
  toolVersions(): Record<string, string>;
}
interface Verify {
  miniXenFacts(bytes: Uint8Array): { fact: string; expected: unknown; found: unknown }[];
}

const load = (path: string): Promise<unknown> => import(pathToFileURL(inRoot(path)).href);
const has = (tool: string): boolean => spawnSync(tool, ["--version"]).status === 0;

/** Why the images cannot be rebuilt here; false when they can. */
async function notRebuilt(): Promise<string | false> {
  const missing = ["gcc", "as", "ld", "objcopy"].filter((tool) => !has(tool));
  if (missing.length > 0) return `not installed: ${missing.join(", ")}`;
  const { toolVersions } = (await load("images/build.mjs")) as Recipes;
  const recorded = JSON.parse(readText("images/VERSIONS.json")) as Record<string, string>;
  const here = toolVersions();
  const other = Object.keys(recorded).filter((tool) => recorded[tool] !== here[tool]);
  return other.length > 0 ? other.map((tool) => `${tool} is ${here[tool]}`).join(", ") : false;
}

describe("images", () => {
  test("R206-R211: every address, size and byte that the RFC shows", async () => {
    const { miniXenFacts } = (await load("images/verify.mjs")) as Verify;
    const facts = miniXenFacts(readFileSync(inRoot("images/mini-xen/mini-xen")));
    assert.ok(facts.length > 25);
    for (const { fact, expected, found } of facts) assert.equal(found, expected, fact);
  });

  test("the same from the running machine: R207, R208, R209, R210", async () => {
    const machine = await createMachine();
    const bytes = (va: bigint, size: number): string =>
      Buffer.from(machine.read(va, size)).toString("hex");
    assert.equal(bytes(0xffff82d08024b2f8n, 8), "9e2f1180d082ffff", "R207");
    assert.equal(machine.symbols.nameOf(0xffff82d08024b2f8n), "hypercall_table+0x88");
    assert.equal(bytes(0xffff82d08024d490n, 8), "79301080d082ffff", "R208");
    assert.equal(machine.symbols.nameOf(0xffff82d080103079n), "do_domctl");
    assert.equal(bytes(0xffff82d080104a69n, 5), "e84bb10500", "R209");
    assert.equal(machine.symbols.nameOf(0xffff82d080104a69n), "do_domctl+0x19f0");
    const [callee] = machine.symbols.find("arch_do_domctl");
    assert.ok(callee);
    assert.match(bytes(callee.va, Number(callee.size)), /4889e048250080ffff/, "R210");
  });

  test("R210: the three stores that the fix of XSA-132 adds are 24 bytes (K20)", async () => {
    // `movq $0, disp8(%rbp)`, as the RFC's fix of XSA-132 adds them
    const stores = [0x48, 0x50, 0x58].map((at) => [0x48, 0xc7, 0x45, at, 0, 0, 0, 0]);
    assert.equal(stores.flat().length, 24);
    const machine = await createMachine();
    const scratch = machine.symbols.resolve("do_xen_version");
    machine.write(scratch, Uint8Array.from(stores.flat()));
    const texts = (await machine.decode(scratch, 3)).map(({ text }) => text);
    assert.deepEqual(texts, ["movq $0,0x48(%rbp)", "movq $0,0x50(%rbp)", "movq $0,0x58(%rbp)"]);
  });

  test("rebuilt with the recorded tools they are the same bytes", async (t) => {
    const why = await notRebuilt();
    if (why) return t.skip(why);
    const out = mkdtempSync(join(tmpdir(), "xsplice-rebuilt-"));
    try {
      const { buildAll } = (await load("images/build.mjs")) as Recipes;
      const names = buildAll(out);
      assert.ok(names.includes("images/mini-xen/mini-xen") && names.length > 20);
      for (const name of names) {
        const same = readFileSync(join(out, name)).equals(readFileSync(inRoot(name)));
        assert.ok(same, `${name} is not what its source gives: npm run images`);
      }
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  });

  test("the same of the tests' own payloads of today's format", async (t) => {
    const why = await notRebuilt();
    if (why) return t.skip(why);
    const out = mkdtempSync(join(tmpdir(), "xsplice-rebuilt-"));
    try {
      const folder = inRoot("tests", "livepatch", "payloads");
      const { status, stderr } = spawnSync(join(folder, "build.sh"), [out], { encoding: "utf8" });
      assert.equal(status, 0, stderr);
      const committed = readdirSync(folder).filter((name) => name.endsWith(".livepatch"));
      assert.deepEqual(readdirSync(out).sort(), committed.sort());
      for (const name of committed) {
        const same = readFileSync(join(out, name)).equals(readFileSync(join(folder, name)));
        assert.ok(same, `${name} is not what its source gives: run build.sh beside it`);
      }
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  });

  test("R194, R70: a section for each function, in the recipes and in what they gave", () => {
    for (const recipe of ["hypervisor", "payloads"]) {
      const text = readText(`images/recipes/${recipe}.mjs`);
      const own = /-ffunction-sections/.test(text) && /-fdata-sections/.test(text);
      assert.ok(own || /CFLAGS/.test(text), recipe);
    }
    const payloads = filesBelow("images/payloads", [".xsplice"]);
    assert.ok(payloads.length > 20);
    for (const path of payloads) {
      const name = path.replace(/^.*\/|\.xsplice$/g, "");
      const code = sectionsOf(sample(name)).filter(
        ({ flags, size }) => (flags & 4n) !== 0n && size > 0,
      );
      for (const section of code)
        assert.match(section.name, /^\.text\../, `${name}: ${section.name}`);
    }
  });
});

/** A source that uses every macro of the header, as an author would. */
const SOURCE = `
#include "xsplice.h"
XSPLICE_IMAGE_BEGIN
extern int image_function(int);
XSPLICE_IMAGE_END
int new_function(int x);
int new_function(int x) { return image_function(x) + 1; }
XSPLICE_HOWTOS struct xsplice_reloc_howto bytes = XSPLICE_HOWTO_BYTES;
XSPLICE_HOWTOS struct xsplice_reloc_howto rel32 = XSPLICE_HOWTO_REL32;
XSPLICE_HOWTOS struct xsplice_reloc_howto abs64 = XSPLICE_HOWTO_ABS64;
XSPLICE_REPLACE_FUNCTION("test", "92dd05a61556c554155b1508c9cf67d993336d28",
                         "old_function", 0, 64, new_function, 16);
_Static_assert(sizeof(relocs) / sizeof(relocs[0]) == 1, "one reloc");
_Static_assert(XSPLICE_HOWOT_FLAG_SIGN == 2 && XSPLICE_HOWTO_FLAG_SIGN == 2, "K2");
_Static_assert(offsetof(struct xsplice_reloc, insn_added) == 32, "K9");
`;

describe("include/xsplice.h", () => {
  const flags = ["-Wall", "-Wextra", "-Werror", "-I", inRoot("include"), "-c"];
  const payload = ["-O2", "-ffreestanding", "-fpie", "-fvisibility=hidden", "-ffunction-sections"];
  const bare = ["-mno-red-zone", "-mgeneral-regs-only", "-fno-stack-protector"];

  for (const compiler of ["gcc", "clang"]) {
    for (const standard of ["gnu11", "gnu17", "gnu2x"]) {
      test(`${compiler} -std=${standard}: no warning, every assertion holds`, (t) => {
        if (!has(compiler)) return t.skip(`${compiler} is not installed`);
        const directory = mkdtempSync(join(tmpdir(), "xsplice-header-"));
        try {
          writeFileSync(join(directory, "fix.c"), SOURCE);
          const object = join(directory, "fix.o");
          const args = [`-std=${standard}`, ...payload, ...bare, ...flags];
          const run = spawnSync(compiler, [...args, "-o", object, join(directory, "fix.c")]);
          assert.equal(run.status, 0, String(run.stderr));
          const sections = sectionsOf(readFileSync(object));
          const root = sections.find(({ name }) => name === ".xsplice");
          assert.equal(root?.size, 72, "one root");
          for (const name of [".text.new_function", ".rela.xsplice", ".xsplice.relocs"]) {
            assert.ok(
              sections.some((section) => section.name === name),
              name,
            );
          }
        } finally {
          rmSync(directory, { recursive: true, force: true });
        }
      });
    }

    test(`${compiler}: the assertions are judged: a wrong size does not compile`, (t) => {
      if (!has(compiler)) return t.skip(`${compiler} is not installed`);
      const wrong = `#include "xsplice.h"\nXSPLICE_SIZE(xsplice, 64);\n`;
      const args = [...flags, "-x", "c", "-o", "/dev/null", "-"];
      const run = spawnSync(compiler, args, { input: wrong });
      assert.notEqual(run.status, 0);
      assert.match(String(run.stderr), /size of xsplice/);
    });
  }
});
