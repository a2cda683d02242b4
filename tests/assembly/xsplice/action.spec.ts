// xsplice/action: every cell of the state machine (requirements A7, R121-R130, K41-K45), written
// out here once more by hand, and the way a payload takes through it.

import {
  EBUSY,
  EINVAL,
  EIO,
  ENOSYS,
  XSPLICE_ACTION_APPLY,
  XSPLICE_ACTION_CHECK,
  XSPLICE_ACTION_REVERT,
  XSPLICE_ACTION_UNLOAD,
  XSPLICE_STATUS_APPLIED,
  XSPLICE_STATUS_CHECKED,
  XSPLICE_STATUS_LOADED,
  XSPLICE_STATUS_PROGRESS,
  XSPLICE_STATUS_REVERTED,
} from "../../../assembly/abi";
import { clear_refusal, refusal } from "../../../assembly/hv/refusal";
import {
  PLACE_SYSCTL,
  REASON_BUSY,
  REASON_STILL_APPLIED,
  REASON_UNKNOWN_CMD,
  REASON_WRONG_STATE,
} from "../../../assembly/reasons";
import {
  allowed_states,
  begin_action,
  end_action,
  GONE,
  judge,
  RUN,
  state_behind,
} from "../../../assembly/xsplice/action";
import { claim_payload, Payload, release_payload } from "../../../assembly/xsplice/payload";

const CHECK: u32 = XSPLICE_ACTION_CHECK;
const UNLOAD: u32 = XSPLICE_ACTION_UNLOAD;
const REVERT: u32 = XSPLICE_ACTION_REVERT;
const APPLY: u32 = XSPLICE_ACTION_APPLY;
const LOADED: i32 = XSPLICE_STATUS_LOADED;
const PROGRESS: i32 = XSPLICE_STATUS_PROGRESS;
const CHECKED: i32 = XSPLICE_STATUS_CHECKED;
const APPLIED: i32 = XSPLICE_STATUS_APPLIED;
const REVERTED: i32 = XSPLICE_STATUS_REVERTED;

let p: Payload = changetype<Payload>(0);

function state(status: i32, old: i32, cmd: u32): void {
  p.status = status;
  p.old_status = old;
  p.cmd = cmd;
}

function answer(cmd: u32): i32 {
  clear_refusal();
  return judge(p, cmd, 56);
}

/** One row: what each command gives. RUN and GONE are accepted, others -errno with a reason. */
function row(check: i32, unload: i32, revert: i32, apply: i32, reason: u32): void {
  expect<i32>(answer(CHECK)).toBe(check);
  if (check < 0) expect<u32>(refusal().reason).toBe(reason);
  expect<i32>(answer(UNLOAD)).toBe(unload);
  if (unload == -EINVAL) expect<u32>(refusal().reason).toBe(REASON_STILL_APPLIED);
  expect<i32>(answer(REVERT)).toBe(revert);
  if (revert < 0) expect<u32>(refusal().reason).toBe(reason);
  expect<i32>(answer(APPLY)).toBe(apply);
  if (apply < 0) expect<u32>(refusal().reason).toBe(reason);
  // other commands, whatever the state (R121, K41)
  for (let other: u32 = 0; other < 10; other++) {
    if (other >= 1 && other <= 4) continue;
    expect<i32>(answer(other)).toBe(-ENOSYS);
    expect<u32>(refusal().reason).toBe(REASON_UNKNOWN_CMD);
    expect<u32>(refusal().place).toBe(PLACE_SYSCTL);
    expect<u32>(refusal().index).toBe(56);
    expect<u64>(refusal().value).toBe(other);
  }
}

describe("A7: the state machine", () => {
  beforeEach(() => {
    p = claim_payload();
  });
  afterEach(() => {
    release_payload(p);
  });

  it("LOADED", () => {
    state(LOADED, 0, 0);
    row(RUN, GONE, -EINVAL, -EINVAL, REASON_WRONG_STATE);
  });
  it("PROGRESS: -EBUSY (K43, K61)", () => {
    state(PROGRESS, LOADED, CHECK);
    row(-EBUSY, -EBUSY, -EBUSY, -EBUSY, REASON_BUSY);
    state(PROGRESS, CHECKED, APPLY);
    row(-EBUSY, -EBUSY, -EBUSY, -EBUSY, REASON_BUSY);
  });
  it("CHECKED: CHECK runs again (K44)", () => {
    state(CHECKED, LOADED, CHECK);
    row(RUN, GONE, -EINVAL, RUN, REASON_WRONG_STATE);
  });
  it("APPLIED", () => {
    state(APPLIED, CHECKED, APPLY);
    row(-EINVAL, -EINVAL, RUN, -EINVAL, REASON_WRONG_STATE);
  });
  it("REVERTED: may be applied again without a CHECK (R127)", () => {
    state(REVERTED, APPLIED, REVERT);
    row(-EINVAL, GONE, -EINVAL, RUN, REASON_WRONG_STATE);
  });
  it("-EXX after CHECK: as LOADED (K45)", () => {
    state(-EIO, LOADED, CHECK);
    row(RUN, GONE, -EINVAL, -EINVAL, REASON_WRONG_STATE);
    state(-EIO, CHECKED, CHECK);
    row(RUN, GONE, -EINVAL, -EINVAL, REASON_WRONG_STATE);
  });
  it("-EXX after APPLY: as before it, retry allowed (K45)", () => {
    state(-EIO, CHECKED, APPLY);
    row(RUN, GONE, -EINVAL, RUN, REASON_WRONG_STATE);
    state(-EIO, REVERTED, APPLY);
    row(-EINVAL, GONE, -EINVAL, RUN, REASON_WRONG_STATE);
  });
  it("-EXX after REVERT: the code is live, UNLOAD stays refused (K45)", () => {
    state(-EIO, APPLIED, REVERT);
    row(-EINVAL, -EINVAL, RUN, -EINVAL, REASON_WRONG_STATE);
  });

  it("K63: a refusal tells the state and the states that are allowed", () => {
    state(LOADED, 0, 0);
    answer(APPLY);
    expect<u64>(refusal().value).toBe(LOADED);
    expect<u64>(refusal().limit).toBe(CHECKED | REVERTED);
    expect<u32>(allowed_states(CHECK)).toBe(LOADED | CHECKED);
    expect<u32>(allowed_states(UNLOAD)).toBe(LOADED | CHECKED | REVERTED);
    expect<u32>(allowed_states(REVERT)).toBe(APPLIED);
  });

  it("R122, R125: the eight transitions", () => {
    state(LOADED, 0, 0);
    begin_action(p, CHECK);
    expect<i32>(p.status).toBe(PROGRESS);
    expect<i32>(p.old_status).toBe(LOADED);
    expect<u32>(p.cmd).toBe(CHECK);
    end_action(p, 0);
    expect<i32>(p.status).toBe(CHECKED);
    begin_action(p, APPLY);
    end_action(p, 0);
    expect<i32>(p.status).toBe(APPLIED);
    expect<i32>(p.old_status).toBe(CHECKED);
    begin_action(p, REVERT);
    end_action(p, 0);
    expect<i32>(p.status).toBe(REVERTED);
    begin_action(p, APPLY);
    end_action(p, 0);
    expect<i32>(p.status).toBe(APPLIED);
    expect<i32>(p.old_status).toBe(REVERTED);
  });

  it("K45: an error keeps the state behind it through any number of failures", () => {
    state(REVERTED, APPLIED, REVERT);
    for (let i = 0; i < 3; i++) {
      begin_action(p, APPLY);
      expect<i32>(p.old_status).toBe(REVERTED);
      end_action(p, -EBUSY);
      expect<i32>(p.status).toBe(-EBUSY);
      expect<i32>(state_behind(p)).toBe(REVERTED);
    }
    begin_action(p, APPLY);
    end_action(p, 0);
    expect<i32>(p.status).toBe(APPLIED);
  });

  it("R129: work of an unknown command ends in -EINVAL", () => {
    begin_action(p, 77);
    end_action(p, 0);
    expect<i32>(p.status).toBe(-EINVAL);
  });
});
