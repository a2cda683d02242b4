// The client library on a real machine, call by call as the RFC's libxc (R141-R148, R149-R151,
// K32-K38): what it asks, what it makes of awkward answers, when it stops.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { createMachine, type Machine, XenControl, type XspliceOp } from "../../host/index.js";
import { LOADED, refused, sample } from "../engine/support.js";
import { between, renamed, sysctl, wireId } from "./support.js";

const FILE = sample("xsa125");
const variant = (i: number): Uint8Array =>
  renamed(FILE, "xsa125", `v${String(i).padStart(5, "0")}`);

/** A machine with `count` payloads, and everything that is asked of it. */
async function listed(count: number): Promise<{ machine: Machine; names: string[] }> {
  const machine = await createMachine();
  const xc = new XenControl(machine);
  const names = Array.from({ length: count }, (_, i) => `p${i}`);
  for (const [i, name] of names.entries()) await xc.upload(name, variant(i));
  return { machine, names };
}

const ids = (rows: readonly { id: string }[]): string[] => rows.map(({ id }) => id);

describe("prototypes (R141)", () => {
  test("each call is one sysctl of its kind", async () => {
    const machine = await createMachine();
    const asked: string[] = [];
    const spy = between(machine, (op) => {
      asked.push(op.op === "action" ? `action ${op.cmd} ${op.time}` : op.op);
      return op;
    });
    const xc = new XenControl(spy);
    await xc.upload("p", FILE);
    await xc.get("p");
    await xc.list(1);
    await xc.check("p");
    machine.run();
    await xc.apply("p");
    machine.run();
    await xc.revert("p");
    machine.run();
    await xc.unload("p");
    // R151: no bound unless one is given
    const actions = ["action 1 0", "action 4 0", "action 3 0", "action 2 0"];
    assert.deepEqual(asked, ["upload", "get", "list", ...actions]);
  });

  test("R142, R143: 40 bytes of id whatever its length; status 0 goes in", async () => {
    const machine = await createMachine();
    const seen: XspliceOp[] = [];
    const xc = new XenControl(
      between(machine, (op) => {
        seen.push(op);
        return op;
      }),
    );
    await xc.upload("p", FILE);
    assert.equal((await xc.get("p")).status, LOADED);
    await refused(xc.get("q"), abi.ENOENT, "no-such-id");
    const sent = seen.flatMap((op) => ("id" in op ? [[...op.id]] : []));
    assert.deepEqual(sent, [[...wireId("p")], [...wireId("p")], [...wireId("q")]]);
    assert.ok(sent.every((id) => id.length === 40));
    assert.deepEqual(
      seen.flatMap((op) => (op.op === "get" ? [op.status] : [])),
      [0, 0],
    );
    const upload = seen[0];
    assert.ok(upload?.op === "upload" && upload.size === BigInt(FILE.length));
  });

  test("R142, R143, R144, R151: nothing is asked for what cannot be sent", async () => {
    const machine = await createMachine();
    let asked = 0;
    const xc = new XenControl(
      between(machine, (op) => {
        asked++;
        return op;
      }),
    );
    const none = undefined as unknown as string;
    const works = [
      xc.upload(none, FILE),
      xc.upload("p", none as unknown as Uint8Array),
      xc.get(none),
      xc.list(0),
      xc.check(none),
      xc.apply(none),
      xc.revert(none),
      xc.unload(none),
    ];
    for (const work of works) {
      await assert.rejects(work, (error: { errno?: string }) => error.errno === "EINVAL");
    }
    assert.equal(asked, 0);
  });
});

describe("list", () => {
  test("R144, R145, R150: version 0, then what is still wanted, from where it stands", async () => {
    const { machine, names } = await listed(9);
    const asked: number[][] = [];
    const xc = new XenControl(
      between(machine, (op) => {
        if (op.op !== "list") return op;
        asked.push([op.version, op.idx, op.nr]);
        return { ...op, nr: Math.min(op.nr, 4) };
      }),
    );
    const { payloads, left } = await xc.list(7, 1);
    assert.deepEqual(ids(payloads), names.slice(1, 8));
    assert.equal(left, 1);
    assert.deepEqual(asked, [
      [0, 1, 7],
      [0, 5, 3],
    ]);
  });

  test("R113: a hypervisor may stop early, at any place; every payload comes once", async () => {
    const { machine, names } = await listed(12);
    for (const most of [1, 2, 3, 5, 11, 12]) {
      const early = between(machine, (op) =>
        op.op === "list" ? { ...op, nr: Math.min(op.nr, most) } : op,
      );
      assert.deepEqual(ids((await new XenControl(early).list(64)).payloads), names, `${most}`);
    }
  });

  test("R108, R146: -E2BIG makes it ask for less, until it fits", async () => {
    const { machine, names } = await listed(5);
    const asked: number[] = [];
    const xc = new XenControl(
      between(machine, (op) => {
        if (op.op === "list") asked.push(op.nr);
        return op;
      }),
    );
    assert.deepEqual(ids((await xc.list(300)).payloads), names);
    assert.deepEqual(asked, [300, 150, 75, 37]);
  });

  test("R147: any other error ends it and is the caller's", async () => {
    const { machine } = await listed(3);
    let asked = 0;
    const xc = new XenControl(
      between(machine, (op) => {
        if (op.op !== "list" || asked++ === 0) return op.op === "list" ? { ...op, nr: 1 } : op;
        return { ...op, summary: 0xffff_82d0_8011_2f9en };
      }),
    );
    await refused(xc.list(3), abi.EFAULT, "arg-fault");
    assert.equal(asked, 2);
  });

  test("R115: what was read before the list changed is thrown away", async () => {
    const { machine } = await listed(6);
    const plain = new XenControl(machine);
    let calls = 0;
    const changing = between(
      machine,
      (op) => (op.op === "list" ? { ...op, nr: Math.min(op.nr, 2) } : op),
      () => {
        if (++calls !== 2) return;
        // behind the caller's back: one goes, one comes
        const gone = { op: "action", id: wireId("p0"), cmd: 2, time: 0n } as const;
        assert.equal(sysctl(machine, gone).rc, 0);
      },
    );
    const { payloads } = await new XenControl(changing).list(64);
    assert.deepEqual(ids(payloads), ids(await plain.listAll()));
    assert.deepEqual(ids(payloads), ["p1", "p2", "p3", "p4", "p5"]);
  });
});
