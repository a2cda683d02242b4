// hv/tasklet, hv/rendezvous, hv/sched, hv/clock: what is left for later, when, and in which order.

import { RUN_STOP, RUN_TIME_NS, STOP_IDLE, STOP_TIME } from "../../../assembly/abi";
import { hv_run } from "../../../assembly/index";
import { wipe_machine } from "../../../assembly/hv/boot";
import { skip_to, TIME_MAX, time_ns } from "../../../assembly/hv/clock";
import { CPU_HYPERVISOR, CPU_IDLE, cpu_at } from "../../../assembly/hv/cpu";
import { install_tasklet, install_work } from "../../../assembly/hv/hooks";
import { IO_OFF } from "../../../assembly/hv/layout";
import { NR_TASKLETS } from "../../../assembly/hv/param";
import {
  missing_cpu,
  rendezvous_pending,
  request_rendezvous,
} from "../../../assembly/hv/rendezvous";
import { kill_tasklet, schedule_tasklet, tasklets_pending } from "../../../assembly/hv/tasklet";
import { small_image } from "../support/image_builder";

const TASKLET: u32 = 90;
const AGAIN: u32 = 91;
const WORK: u32 = 92;
const EAGAIN: i32 = 11;

let order: string = "";
let answer: i32 = 0;

function note(data: u32): void {
  order += data.toString() + " ";
}
/** Leaves more work behind, a few times. */
function note_again(data: u32): void {
  note(data);
  if (data < 3) schedule_tasklet(AGAIN, data + 1);
}
function work(data: u32): i32 {
  order += "work" + data.toString() + " ";
  return answer;
}
function late(data: u32): void {
  order += "late" + data.toString() + " ";
}

/** Runs for `ns` and returns how far time went. */
function run(ns: u64): u64 {
  expect<i32>(hv_run(0, ns)).toBe(0);
  return load<u64>(IO_OFF + RUN_TIME_NS);
}
function stop(): u32 {
  return load<u32>(IO_OFF + RUN_STOP);
}

function boot(): void {
  wipe_machine();
  const b = small_image();
  b.build();
  expect<i32>(b.boot(2)).toBe(0);
  install_tasklet(TASKLET, note);
  install_tasklet(AGAIN, note_again);
  install_work(WORK, work, late);
  order = "";
  answer = 0;
}

describe("tasklets", () => {
  beforeEach(boot);

  it("run in the order in which they were scheduled, when the machine runs", () => {
    schedule_tasklet(TASKLET, 7);
    schedule_tasklet(TASKLET, 5);
    schedule_tasklet(TASKLET, 6);
    expect<bool>(kill_tasklet(TASKLET, 5)).toBe(true);
    expect<bool>(kill_tasklet(TASKLET, 5)).toBe(false);
    schedule_tasklet(TASKLET, 4);
    schedule_tasklet(TASKLET, 7);
    expect<string>(order).toBe("");
    run(0);
    expect<string>(order).toBe("7 6 4 ", "one that was pending keeps its place");
    expect<bool>(tasklets_pending()).toBe(false);
    expect<u32>(stop()).toBe(STOP_IDLE);
  });

  it("may leave more work behind", () => {
    schedule_tasklet(AGAIN, 1);
    run(0);
    expect<string>(order).toBe("1 2 3 ");
  });

  it("are bounded in number", () => {
    for (let i: u32 = 0; i < NR_TASKLETS; i++) {
      expect<bool>(schedule_tasklet(TASKLET, i)).toBe(true);
    }
    expect<bool>(schedule_tasklet(TASKLET, NR_TASKLETS)).toBe(false);
    expect<bool>(schedule_tasklet(TASKLET, 3)).toBe(true, "already there");
  });
});

describe("the rendezvous", () => {
  beforeEach(boot);

  it("does the work once, when every CPU is at the patch point", () => {
    expect<bool>(request_rendezvous(WORK, 9, 0)).toBe(true);
    expect<bool>(request_rendezvous(WORK, 8, 0)).toBe(false, "one at a time");
    run(0);
    expect<string>(order).toBe("work9 ");
    expect<bool>(rendezvous_pending()).toBe(false);
    expect<bool>(request_rendezvous(WORK, 8, 0)).toBe(true);
  });

  it("waits for a CPU that is elsewhere, and gives up in time (R192, R193)", () => {
    cpu_at(1).state = CPU_HYPERVISOR;
    expect<i32>(missing_cpu()).toBe(1);
    request_rendezvous(WORK, 1, time_ns() + 30000000);
    expect<u64>(run(10000000)).toBe(10000000);
    expect<u32>(stop()).toBe(STOP_TIME);
    expect<string>(order).toBe("");
    expect<u64>(run(50000000)).toBe(50000000);
    expect<string>(order).toBe("late1 ");
    expect<bool>(rendezvous_pending()).toBe(false);
  });

  it("does the work when that CPU comes in time", () => {
    cpu_at(1).state = CPU_HYPERVISOR;
    request_rendezvous(WORK, 1, time_ns() + 30000000);
    run(10000000);
    cpu_at(1).state = CPU_IDLE;
    run(1);
    expect<string>(order).toBe("work1 ");
  });

  it("tries work that cannot be done yet again, until its time is over", () => {
    answer = -EAGAIN;
    request_rendezvous(WORK, 2, time_ns() + 1000);
    run(500);
    expect<string>(order).toBe("work2 ");
    expect<bool>(rendezvous_pending()).toBe(true);
    answer = 0;
    run(0);
    expect<string>(order).toBe("work2 work2 ");
    expect<bool>(rendezvous_pending()).toBe(false);
  });

  it("never keeps a run without limits from coming back", () => {
    answer = -EAGAIN;
    request_rendezvous(WORK, 3, 0);
    run(0);
    expect<u32>(stop()).toBe(STOP_IDLE);
    expect<bool>(rendezvous_pending()).toBe(true);
    run(0);
    expect<string>(order).toBe("work3 work3 ");
  });
});

describe("virtual time", () => {
  beforeEach(boot);

  it("goes exactly as far as asked, and never back", () => {
    expect<u64>(run(12345)).toBe(12345);
    expect<u64>(run(0)).toBe(0);
    expect<i32>(hv_run(1000, 5000)).toBe(0);
    expect<u64>(load<u64>(IO_OFF + RUN_TIME_NS)).toBe(1000, "whichever is over first");
    const now = time_ns();
    skip_to(now - 1);
    expect<u64>(time_ns()).toBe(now);
  });

  it("does not wrap", () => {
    run(u64.MAX_VALUE);
    run(u64.MAX_VALUE);
    expect<u64>(time_ns()).toBe(TIME_MAX - 1, "the end of the clock: a file can hold it");
  });
});
