// The client library against a hypervisor that is made up here, so that it can answer as awkwardly
// as the protocol allows: small batches, lists that change, -EAGAIN (R141-R151, K32-K38).

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { XenError } from "../../host/error.js";
import { GuestMemory } from "../../host/guest.js";
import { hostRefusal, type Refusal } from "../../host/refusal.js";
import { encode } from "../../host/struct.js";
import { encodeId, marshal, summaryCodec, unmarshal, type XspliceOp } from "../../host/sysctl.js";
import { type Hypervisor, XenControl } from "../../host/xc.js";

type Answer = { rc: number; op?: XspliceOp };

/** Hands every operation to `answer`; records what was asked. */
class Fake implements Hypervisor {
  readonly ram = new Uint8Array(1 << 20);
  readonly asked: XspliceOp[] = [];
  readonly domains: (number | undefined)[] = [];
  refusal: Refusal | undefined;
  ranMs = 0;
  settlements = 0;
  private readonly guest: GuestMemory;

  constructor(private readonly answer: (op: XspliceOp, fake: Fake) => Answer) {
    const at = (va: bigint): number => Number(va - 0x10000000n);
    const read = (va: bigint, length: number): Uint8Array =>
      this.ram.slice(at(va), at(va) + length);
    const write = (va: bigint, bytes: Uint8Array): void => this.ram.set(bytes, at(va));
    this.guest = new GuestMemory({ read, write }, 0x10000000n, this.ram.length);
  }

  sysctl(bytes: Uint8Array, options?: { readonly domain?: number }): number {
    const op = unmarshal(bytes);
    this.asked.push(op);
    this.domains.push(options?.domain);
    const { rc, op: back } = this.answer(op, this);
    if (back) bytes.set(marshal(back));
    return rc;
  }

  withBuffers: Hypervisor["withBuffers"] = (work) => this.guest.scope(work);
  lastRefusal = (): Refusal | undefined => this.refusal;
  refusalOf = (): Refusal | undefined => this.refusal;
  errorOf = (refusal: Refusal): XenError => new XenError(refusal);

  run({ ns }: { readonly ns: bigint }): { instructions: bigint; timeNs: bigint } {
    this.ranMs += Number(ns / 1_000_000n);
    return { instructions: 10n, timeNs: ns };
  }

  async settled(): Promise<void> {
    this.settlements++;
  }
}

/** LIST of `names()` with a limit, as R106-R115 have it. */
function lister(names: () => string[], limit = 64, version = (): number => 1): Fake {
  return new Fake((op, fake) => {
    assert.ok(op.op === "list");
    if (op.nr > limit) return { rc: -abi.E2BIG };
    const all = names();
    if (op.idx > all.length) return { rc: -abi.EINVAL };
    const page = all.slice(op.idx, op.idx + op.nr);
    page.forEach((name, i) => {
      const row = encode(summaryCodec, { id: encodeId(name) as Uint8Array, status: 1 });
      fake.ram.set(row, Number(op.summary - 0x10000000n) + i * row.length);
    });
    const nr = all.length - op.idx - page.length;
    return { rc: page.length, op: { ...op, version: version(), nr } };
  });
}

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `p${i}`);
const ids = (list: { payloads: readonly { id: string }[] }): string[] =>
  list.payloads.map((p) => p.id);

async function refused(work: Promise<unknown>): Promise<XenError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof XenError, String(error));
    return error;
  }
  assert.fail("was accepted");
}

describe("list", () => {
  for (const count of [0, 1, 4, 5, 6, 11, 12, 65, 130]) {
    test(`${count} payloads against limits of 4 and 64, each once and in order (K32)`, async () => {
      for (const limit of [4, 64]) {
        const xc = new XenControl(lister(() => names(count), limit));
        assert.deepEqual(ids(await xc.list(200)), names(count));
        assert.deepEqual(
          (await xc.listAll()).map((p) => p.id),
          names(count),
        );
      }
    });
  }

  test("from a start other than 0, and not more than asked", async () => {
    const xc = new XenControl(lister(() => names(12), 4));
    const page = await xc.list(5, 3);
    assert.deepEqual(ids(page), ["p3", "p4", "p5", "p6", "p7"]);
    assert.equal(page.left, 4);
  });

  test("a batch that is too large is halved: 11, 5, 2 against a limit of 4 (R146)", async () => {
    const fake = lister(() => names(3), 4);
    await new XenControl(fake).list(11);
    const asked = fake.asked.map((op) => (op.op === "list" ? op.nr : -1));
    assert.deepEqual(asked, [11, 5, 2, 2]);
  });

  test("a batch of 1 that is too large is an error (R146)", async () => {
    const error = await refused(new XenControl(lister(() => names(3), 0)).list(8));
    assert.equal(error.errno, "E2BIG");
  });

  test("a list that changes is read anew from its start (R148, K33)", async () => {
    let calls = 0;
    const fake = lister(
      () => (calls > 2 ? ["a", "b", "c", "d", "e"] : names(9)),
      4,
      () => (++calls > 2 ? 8 : 7),
    );
    assert.deepEqual(ids(await new XenControl(fake).list(20)), ["a", "b", "c", "d", "e"]);
  });

  test("4 restarts are allowed, the 5th change is -EBUSY (R148)", async () => {
    const unstable = (changes: number): Fake => {
      let version = 0;
      return lister(
        () => names(20),
        4,
        () => Math.min(++version, changes + 1),
      );
    };
    assert.equal(ids(await new XenControl(unstable(4)).list(20)).length, 20);
    const { errno, reason } = await refused(new XenControl(unstable(99)).list(20));
    assert.deepEqual([errno, reason], ["EBUSY", "list-changes"]);
  });

  test("version 0 is a version like any other (K28)", async () => {
    const xc = new XenControl(
      lister(
        () => names(9),
        4,
        () => 0,
      ),
    );
    assert.equal(ids(await xc.list(20)).length, 9);
  });

  test("more than asked is -EINVAL (R149); no progress ends it (K59)", async () => {
    const many = new Fake((op) => ({ rc: 5, op: { ...op, nr: 0 } as XspliceOp }));
    const { errno, reason } = await refused(new XenControl(many).list(4));
    assert.deepEqual([errno, reason], ["EINVAL", "list-overflow"]);
    const stuck = new Fake((op) => ({ rc: 0, op: { ...op, nr: 3 } as XspliceOp }));
    assert.deepEqual(await new XenControl(stuck).list(4), { payloads: [], left: 3 });
  });

  test("max 0 is -EINVAL and asks nobody (R144, K35)", async () => {
    const fake = lister(() => names(1));
    assert.equal((await refused(new XenControl(fake).list(0))).errno, "EINVAL");
    assert.equal(fake.asked.length, 0);
  });

  test("buffers are zeroed and given back, also after an error (K34)", async () => {
    const fake = lister(() => names(9));
    await new XenControl(fake).list(9);
    await refused(new XenControl(fake).list(9, 50));
    assert.ok(fake.ram.every((byte) => byte === 0));
  });
});

describe("upload", () => {
  const payload = new Uint8Array([1, 2, 3]);

  test("id filled with zeros, size and bytes as given (K36, K37)", async () => {
    let seen: Uint8Array | undefined;
    const fake = new Fake((op, { ram }) => {
      assert.ok(op.op === "upload");
      seen = ram.slice(Number(op.payload - 0x10000000n)).slice(0, Number(op.size));
      return { rc: 0 };
    });
    await new XenControl(fake, { domain: 3 }).upload("fix", payload);
    const [op] = fake.asked;
    assert.ok(op?.op === "upload");
    assert.deepEqual(op.id, encodeId("fix"));
    assert.deepEqual(seen, payload);
    assert.deepEqual(fake.domains, [3]);
    assert.ok(fake.ram.every((byte) => byte === 0));
  });

  test("-EAGAIN is repeated when the firmware has settled (K38)", async () => {
    let calls = 0;
    const fake = new Fake(() => ({ rc: ++calls < 4 ? -abi.EAGAIN : 0 }));
    await new XenControl(fake).upload("fix", payload);
    assert.equal(fake.asked.length, 4);
    assert.equal(fake.settlements, 3);
  });

  test("but not for ever (K38)", async () => {
    const fake = new Fake(() => ({ rc: -abi.EAGAIN }));
    assert.equal((await refused(new XenControl(fake).upload("fix", payload))).errno, "EAGAIN");
    assert.equal(fake.asked.length, 65);
  });

  test("too long an id, or none, is -EINVAL and asks nobody (K35, K36)", async () => {
    const fake = new Fake(() => ({ rc: 0 }));
    const xc = new XenControl(fake);
    for (const id of ["x".repeat(41), undefined as unknown as string]) {
      for (const work of [xc.upload(id, payload), xc.get(id), xc.check(id), xc.apply(id)]) {
        const { errno, reason } = await refused(work);
        assert.deepEqual([errno, reason], ["EINVAL", "id-noncanonical"]);
      }
    }
    const nothing = undefined as unknown as Uint8Array;
    assert.equal((await refused(xc.upload("x", nothing))).errno, "EINVAL");
    assert.equal(fake.asked.length, 0);
  });

  test("the recorded refusal becomes the error, unless it is of another error", async () => {
    const fake = new Fake(() => ({ rc: -abi.EEXIST }));
    fake.refusal = hostRefusal(abi.EEXIST, abi.REASON_ID_EXISTS, { id: "fix" });
    const xc = new XenControl(fake);
    const error = await refused(xc.upload("fix", payload));
    assert.deepEqual([error.code, error.reason], [-17, "id-exists"]);
    fake.refusal = hostRefusal(abi.EINVAL, abi.REASON_SIZE_ZERO);
    assert.equal((await refused(xc.upload("fix", payload))).reason, "none");
  });
});

describe("actions", () => {
  test("carry their number and time in milliseconds (R116)", async () => {
    const fake = new Fake(() => ({ rc: 0 }));
    const xc = new XenControl(fake);
    await xc.check("a");
    await xc.unload("a");
    await xc.revert("a", { timeMs: 30 });
    await xc.apply("a", { timeMs: 1n << 40n });
    const asked = fake.asked.map((op) => (op.op === "action" ? [op.cmd, op.time] : []));
    assert.deepEqual(asked, [
      [1, 0n],
      [2, 0n],
      [3, 30n],
      [4, 1n << 40n],
    ]);
  });

  test("GET asks with status 0 (R103) and gives the status as it is", async () => {
    const fake = new Fake((op) => {
      assert.ok(op.op === "get" && op.status === 0);
      return { rc: 0, op: { ...op, status: -16 } };
    });
    assert.deepEqual(await new XenControl(fake).get("a"), { id: "a", status: -16 });
  });

  test("the waiting form runs the machine until PROGRESS is over", async () => {
    let polls = 0;
    const fake = new Fake((op) => {
      if (op.op !== "get") return { rc: 0 };
      const status = ++polls < 4 ? abi.XSPLICE_STATUS_PROGRESS : abi.XSPLICE_STATUS_APPLIED;
      return { rc: 0, op: { ...op, status } };
    });
    const done = await new XenControl(fake).applyAndWait("a");
    assert.deepEqual(done, { id: "a", status: 8, instructions: 30n, timeNs: 3_000_000n });
    assert.equal(fake.ranMs, 3);
  });

  test("and throws what the payload's status says", async () => {
    const fake = new Fake((op) =>
      op.op === "get" ? { rc: 0, op: { ...op, status: -84 } } : { rc: 0 },
    );
    fake.refusal = hostRefusal(abi.EILSEQ, abi.REASON_OLD_CODE, { va: 0x1000n });
    const error = await refused(new XenControl(fake).checkAndWait("a"));
    assert.deepEqual([error.errno, error.reason], ["EILSEQ", "old-code"]);
  });

  test("and gives up after its time", async () => {
    const status = abi.XSPLICE_STATUS_PROGRESS;
    const fake = new Fake((op) => (op.op === "get" ? { rc: 0, op: { ...op, status } } : { rc: 0 }));
    const error = await refused(new XenControl(fake, { waitMs: 20 }).revertAndWait("a"));
    assert.deepEqual([error.errno, error.reason], ["ETIMEDOUT", "waited"]);
    assert.match(error.message, /^'a' is still in progress after 20 ms/);
    assert.equal(fake.ranMs, 20);
  });

  test("the build-id is asked for twice: its size, then itself (R91)", async () => {
    const fake = new Fake((op, { ram }) => {
      assert.ok(op.op === "info");
      if (op.buffer !== 0n) ram.set([7, 8, 9], Number(op.buffer - 0x10000000n));
      return { rc: 0, op: { ...op, len: 3n } };
    });
    assert.deepEqual([...(await new XenControl(fake).buildId())], [7, 8, 9]);
    const none = new Fake(() => ({ rc: -abi.ENODATA }));
    assert.equal((await new XenControl(none).buildId()).length, 0);
  });
});
