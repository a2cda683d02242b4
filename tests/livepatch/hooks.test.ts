// Hooks of today's payloads, as code that runs: what they may do, what they return, what they call,
// and that a hook which would take the hypervisor with it changes nothing here. Payloads of
// tests/livepatch/payloads; spec/livepatch-today 4, issue 5, items 2 and 4; requirements A14.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import * as abi from "../../host/abi.js";
import { createMachine, type Machine } from "../../host/index.js";
import { inRoot } from "../support/root.js";
import { LivepatchClient } from "./client.js";
import { findImage } from "./corpus.js";
import { contents } from "./sections.js";

const APPLY = abi.LIVEPATCH_ACTION_APPLY;
const REVERT = abi.LIVEPATCH_ACTION_REVERT;
const UNLOAD = abi.LIVEPATCH_ACTION_UNLOAD;
const CHECKED = abi.LIVEPATCH_STATE_CHECKED;
const APPLIED = abi.LIVEPATCH_STATE_APPLIED;

const read = (name: string): Uint8Array =>
  readFileSync(inRoot("tests", "livepatch", "payloads", `${name}.livepatch`));

let machine: Machine;
let client: LivepatchClient;
let booted: Uint8Array;

/** R, P and the state after an action has come to its end. */
function act(cmd: number): { r: number; p: number; state: number } {
  const r = client.action("p", cmd);
  machine.run();
  const { rc: p, state } = client.get("p");
  return { r, p, state };
}

const reason = (): string => abi.reasonName(machine.refusalOf("p")?.reason ?? abi.REASON_NONE);

function message(): string {
  const refusal = machine.refusalOf("p") ?? assert.fail("nothing was refused");
  return machine.errorOf(refusal).message;
}

const word = (n: number): bigint =>
  Buffer.from(machine.read("cpu_stat", 16384)).readBigUInt64LE(8 * (2040 + n));

const count = (): number => Buffer.from(machine.read("boot_count", 4)).readUInt32LE(0);

async function boot(image?: string): Promise<void> {
  machine = await createMachine({ cpus: 2, ...(image ? { image } : {}) });
  client = new LivepatchClient(machine);
  booted = machine.snapshot();
}

describe("a hook that would bring the hypervisor down leaves everything as it was", () => {
  beforeEach(() => boot());

  /** Brings payload `name` to where `cmd` is what fails. */
  function upTo(name: string, cmd: number): void {
    assert.equal(client.upload("p", read(name)), 0);
    if (cmd === REVERT) assert.deepEqual(act(APPLY), { r: 0, p: 0, state: APPLIED });
  }

  const CRASHES = [
    ["preapply", APPLY],
    ["apply", APPLY],
    ["load", APPLY],
    ["postapply", APPLY],
    ["prerevert", REVERT],
    ["revert", REVERT],
    ["unload", REVERT],
    ["postrevert", REVERT],
  ] as const;
  for (const [kind, cmd] of CRASHES) {
    test(`${kind}: it faults after it has written to data, to its own and to code`, () => {
      upTo(`crash_${kind}`, cmd);
      // The payload's rc is what changes: let it be there before.
      act(cmd);
      const before = machine.stateHash();
      const booted = count();
      const { r, p, state } = act(cmd);
      const now = kind.startsWith("pre") ? r : p;
      assert.equal(now, -abi.EFAULT);
      assert.equal(state, cmd === APPLY ? CHECKED : APPLIED);
      assert.equal(machine.stateHash(), before);
      assert.equal(count(), booted);
      assert.equal(reason(), "xen-crash-hook-fault");
      assert.match(message(), new RegExp(`^(The ${kind} hook|${kind} hook 0) faulted at `, "i"));
      assert.match(message(), /#PF on 0x2\. Xen itself would crash here: nothing is changed\.$/);
    });
  }

  test("one that does not come back", () => {
    upTo("hang_apply", APPLY);
    const booted = count();
    assert.deepEqual(act(APPLY), { r: 0, p: -abi.EFAULT, state: CHECKED });
    assert.equal(reason(), "xen-hang-hook");
    assert.equal(count(), booted);
  });

  for (const [name, cmd, word] of [
    ["lies_apply", APPLY, "xen-crash-partial-apply"],
    ["lies_revert", REVERT, "xen-crash-partial-revert"],
  ] as const) {
    test(`${name}: success without having done it`, () => {
      upTo(name, cmd);
      const booted = count();
      const patched = [...machine.read("xen_minor_version", 16)];
      const { p, state } = act(cmd);
      assert.deepEqual([p, state], [-abi.EINVAL, cmd === APPLY ? CHECKED : APPLIED]);
      assert.equal(reason(), word);
      assert.equal(count(), booted, "what the hook wrote is undone too");
      assert.deepEqual([...machine.read("xen_minor_version", 16)], patched);
    });
  }

  test("after it the payload can be unloaded, and nothing is left", () => {
    const before = machine.stateHash();
    upTo("crash_load", APPLY);
    act(APPLY);
    assert.equal(client.action("p", UNLOAD), 0);
    assert.equal(machine.stateHash(), before);
  });

  test("0dd9268808, REPLACE: what it reverted before a hook crashed is applied still", async () => {
    assert.equal(client.upload("below", read("copy_shared")), 0);
    assert.equal(client.action("below", APPLY), 0);
    machine.run();
    upTo("crash_load", APPLY);
    const patched = [...machine.read("xen_minor_version", 16)];
    const booted = count();
    assert.deepEqual(act(abi.LIVEPATCH_ACTION_REPLACE), { r: 0, p: -abi.EFAULT, state: CHECKED });
    assert.equal(client.get("below").state, APPLIED);
    assert.deepEqual([...machine.read("xen_minor_version", 16)], patched);
    assert.equal(count(), booted);
  });
});

describe("any code as a hook", () => {
  before(() => boot());

  /** A payload with a hook whose code is these bytes, cut to the room that there is. */
  function withCode(kind: string, code: Uint8Array): Buffer {
    const file = Buffer.from(read(`crash_${kind}`));
    const text = contents(file, ".text.crash_hook");
    text.set(code.subarray(0, text.length));
    return file;
  }

  test("it is undone as a whole, or it has worked; the machine lives on", () => {
    const before = machine.stateHash();
    let [refused, applied] = [0, 0];
    const code = fc.uint8Array({ minLength: 24, maxLength: 80 });
    // What random bytes seldom are: stores around the hypervisor, and a way back. Pages from here:
    // the image's data, the payload's own, code, and what is not there.
    const page = fc.constantFrom(-0xf, -0xe, -0xd, -0xc, -0xb, 0, 1, -0x150, 0x20);
    const store = fc.tuple(fc.constantFrom(0x05, 0x0d, 0x15), page);
    const stores = fc.array(store, { minLength: 1, maxLength: 4 }).map((all) => {
      const bytes = all.flatMap(([modrm, pages]) => {
        const displacement = Buffer.alloc(4);
        displacement.writeInt32LE(pages * 4096 + 128);
        return [0x89, modrm, ...displacement]; // mov %reg,disp(%rip)
      });
      return Uint8Array.from([...bytes, 0x31, 0xc0, 0xc3]); // xor %eax,%eax; ret
    });
    fc.assert(
      fc.property(
        fc.constantFrom("load", "apply", "preapply"),
        fc.oneof(code, stores),
        (kind, one) => {
          assert.equal(client.upload("p", withCode(kind, one)), 0);
          const loaded = machine.stateHash();
          const { r, p, state } = act(APPLY);
          if (state === APPLIED) {
            applied++;
            machine.restore(booted);
            return;
          }
          refused++;
          assert.ok(r !== 0 || p !== 0);
          if (reason().startsWith("xen-")) {
            // All but the payload's own rc.
            client.action("p", UNLOAD);
            assert.equal(machine.stateHash(), before, reason());
          } else machine.restore(booted);
          assert.notEqual(loaded, before);
        },
      ),
      { numRuns: 300 },
    );
    assert.ok(refused > 50 && applied > 0, `${refused} refused, ${applied} applied`);
  });
});

describe("what a hook returns is what counts, whatever it is (4.17)", () => {
  beforeEach(() => boot());

  for (const [suffix, value] of [
    ["5", 5],
    ["eagain", -abi.EAGAIN],
  ] as const) {
    test(`preapply ${value}: answer of the hypercall and the payload's rc; nothing is done`, () => {
      client.upload("p", read(`value_preapply_${suffix}`));
      assert.deepEqual(act(APPLY), { r: value, p: value, state: CHECKED });
      assert.equal(reason(), "lp-hook-veto");
      // -EAGAIN looks like work under way, but none is: the next action is taken.
      assert.deepEqual(act(APPLY), { r: value, p: value, state: CHECKED });
      assert.equal(count(), 3, "the hook has run twice");
    });

    test(`apply ${value}: the payload's rc`, () => {
      client.upload("p", read(`value_apply_${suffix}`));
      assert.deepEqual(act(APPLY), { r: 0, p: value, state: CHECKED });
      assert.equal(reason(), "lp-hook-failed");
      assert.deepEqual(act(APPLY), { r: 0, p: value, state: CHECKED });
      assert.equal(client.action("p", UNLOAD), 0);
    });

    test(`prerevert ${value}: it stays applied`, () => {
      client.upload("p", read(`value_prerevert_${suffix}`));
      assert.deepEqual(act(APPLY), { r: 0, p: 0, state: APPLIED });
      assert.deepEqual(act(REVERT), { r: value, p: value, state: APPLIED });
      assert.equal(client.action("p", UNLOAD), -abi.EINVAL);
    });

    test(`revert ${value}: it stays applied`, () => {
      client.upload("p", read(`value_revert_${suffix}`));
      act(APPLY);
      assert.deepEqual(act(REVERT), { r: 0, p: value, state: APPLIED });
      assert.equal(machine.call("xen_minor_version").rax, 78n);
    });
  }

  test("postapply returns nothing, but struct payload is Xen's own: its rc counts", () => {
    client.upload("p", read("value_postapply_rc"));
    assert.deepEqual(act(APPLY), { r: 0, p: -abi.EIO, state: APPLIED });
    assert.match(message(), /^The postapply hook has set the payload's rc to -EIO\.$/);
    assert.deepEqual(act(REVERT), { r: 0, p: 0, state: CHECKED });
  });
});

describe("what a hook may do", () => {
  beforeEach(() => boot());

  test("load and unload hooks write to code, which is as it was afterwards", () => {
    const before = machine.stateHash();
    client.upload("p", read("code_put_back"));
    const code = machine.read("xen_minor_version", 2)[1] ?? 0;
    assert.deepEqual(act(APPLY), { r: 0, p: 0, state: APPLIED });
    assert.equal(machine.read("xen_minor_version", 2)[1], code + 1);
    assert.equal(machine.call("xen_minor_version").rax, BigInt(code + 1), "and it is executed");
    assert.deepEqual(act(REVERT), { r: 0, p: 0, state: CHECKED });
    assert.equal(client.action("p", UNLOAD), 0);
    assert.equal(machine.stateHash(), before);
  });

  // d2daa40fb3: the payload is not applied yet when its load hook runs.
  test("a bug frame that names a function: called with the registers, also from within", () => {
    client.upload("p", read("run_fn"));
    assert.deepEqual(act(APPLY), { r: 0, p: 0, state: APPLIED });
    assert.equal(word(0), word(5), "rip is that of the ud2");
    assert.equal(word(1), 0x1234n);
    assert.equal(word(2), 0x1235n, "what the function leaves in rax counts");
    assert.equal(word(3), 0x5678n, "the others are as they were");
    assert.equal(word(4), 11n, "outer and inner function have run once");
  });
});

const IMAGE = findImage();
const skip = !IMAGE && "no xen-syms: install xen-hypervisor-4.17-amd64-dbg or set XEN_SYMS";

describe("hooks that call the hypervisor's own live patching", { skip }, () => {
  beforeEach(() => boot(IMAGE));

  const version = (): string => machine.readString(machine.call("xen_extra_version").rax);

  test("apply_payload and revert_payload run as code, with the hooks that they call", () => {
    const before = machine.stateHash();
    const [plain, file] = [version(), read("nested")];
    assert.equal(client.upload("p", file), 0);
    assert.deepEqual(act(APPLY), { r: 0, p: 0, state: APPLIED });
    assert.equal(version(), "xsp nest l1 u0");
    const text = machine.call("xen_extra_version").rax;
    assert.deepEqual(act(REVERT), { r: 0, p: 0, state: CHECKED });
    assert.equal(version(), plain);
    assert.equal(machine.readString(text), "xsp nest l1 u1", "the unload hook has run, nested");
    assert.equal(client.action("p", UNLOAD), 0);
    assert.equal(machine.stateHash(), before);
  });

  test("arch_livepatch_apply without quiescing: code is read-only then", () => {
    client.upload("p", read("nested_bare"));
    const plain = version();
    assert.deepEqual(act(APPLY), { r: 0, p: -abi.EFAULT, state: CHECKED });
    assert.match(message(), /#PF on 0x[0-9a-f]+ \(xen_extra_version\)/);
    assert.equal(version(), plain);
  });
});
