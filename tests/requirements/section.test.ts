// struct xsplice_section (requirements A2): what its flags relax, tighten and say, and when.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { hex, inline, type Place, trampoline } from "../engine/payload.js";
import { Bench, refused } from "../engine/support.js";
import { witness } from "./support.js";

const { XSPLICE_SECTION_TEXT: TEXT, XSPLICE_SECTION_TEXT_INLINE: INLINE } = abi;
const { XSPLICE_SECTION_MATCH_EXACT: EXACT, XSPLICE_SECTION_NO_STACKCHECK: NO_STACKCHECK } = abi;
const { XSPLICE_SECTION_RODATA: RODATA, XSPLICE_SECTION_STRING: STRING } = abi;

/** `mov $value,%eax; ret`, 16 bytes. */
const returns = (value: number): Uint8Array =>
  hex(`b8${value.toString(16).padStart(2, "0")}000000c3${"90".repeat(10)}`);

describe("section", () => {
  const code = hex("488d4701 c3 6690"); // account_tick and a padding that the image does not have
  const place = trampoline("account_tick", 5);
  const old = (flags: number) => [{ ...inline("account_tick", 5, 0, code), contentSize: 7, flags }];

  test("R51: flags are OR-ed; each relaxes or tightens its own check", async () => {
    const rows: [number, boolean][] = [
      [TEXT, true],
      [TEXT | NO_STACKCHECK, true],
      [TEXT | EXACT, false],
      [TEXT | EXACT | NO_STACKCHECK, false],
    ];
    for (const [flags, relaxed] of rows) {
      const b = await Bench.boot();
      const image = b.image();
      await b.upload("p", { places: [{ ...place, flags: flags & ~EXACT }], old: old(flags) });
      if (relaxed) await b.xc.checkAndWait("p");
      else await refused(b.xc.checkAndWait("p"), abi.EILSEQ, "old-code");
      assert.deepEqual(b.image(), image);
    }
  });

  test("R52: TEXT_INLINE: the change is in the text itself, nothing leads anywhere", async () => {
    const b = await Bench.boot();
    await b.load("p", { places: [inline("check_even", 24, 0, hex("90909090"))] });
    const [patch, ...more] = b.machine.map();
    assert.deepEqual([patch?.kind, patch?.target, more], ["text", undefined, []]);
    assert.equal(patch?.va, b.machine.symbols.resolve("check_even"));
  });

  test("R52: TEXT_INLINE on a change that is not inline in text is refused", async () => {
    const banner: Place = {
      ...{ symbol: "console_banner", size: 32, at: 4n, target: 4n, howto: {} },
      ...{ type: abi.XSPLICE_PATCH_INLINE_DATA, inside: "rodata", content: hex("2a") },
    };
    const rows: [Place, number][] = [
      [place, TEXT | INLINE],
      [banner, RODATA | INLINE],
      [banner, RODATA | STRING | INLINE],
      [inline("check_even", 24, 0, hex("90")), RODATA | INLINE],
    ];
    for (const [wrong, flags] of rows) {
      const b = await Bench.boot();
      const same = witness(b.machine);
      const places = [trampoline("tiny_1", 1), { ...wrong, flags }];
      const error = await refused(b.upload("p", { places }), abi.EINVAL, "flag-reserved");
      assert.equal(error.place, "section 1 of 'new'");
      assert.match(error.hint, /TEXT_INLINE/);
      same();
      await b.upload("p", { places: [places[0] as Place, { ...wrong, flags: flags & ~INLINE }] });
    }
  });

  test("R45: what was safe at CHECK is judged again at APPLY", async () => {
    const b = await Bench.boot();
    await b.upload("late", { name: "late", places: [trampoline("check_even", 24)] });
    await b.xc.checkAndWait("late");
    await b.load("early", { name: "early", places: [trampoline("check_even", 24, returns(7))] });
    const image = b.image();
    await refused(b.xc.applyAndWait("late"), abi.EEXIST, "already-patched");
    assert.deepEqual(b.image(), image);
    assert.equal(b.call("check_even", 9n), 7n);
    await b.xc.revertAndWait("early");
    await b.xc.applyAndWait("late");
    assert.equal(b.call("check_even", 9n), 42n);
  });
});
