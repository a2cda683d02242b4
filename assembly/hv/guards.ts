// What keeps the races of live patching away, each of them as a guard that a test may take out to
// see its scenario fail (issue: "prove it once"). Nothing but a test sets Header.test_guards; a
// machine that was booted has every guard in place.

import {
  GUARD_BARRIER,
  GUARD_BUSY,
  GUARD_DEADLINE,
  GUARD_HOTPLUG,
  GUARD_NMI_MASK,
  GUARD_REINIT,
  GUARD_RELEASE,
  GUARD_SERIALISE,
  GUARD_STACK,
  GUARD_UNIQUE,
  GUARD_VERSION,
} from "../abi_schedules";
import { header } from "./header";

export {
  GUARD_BARRIER,
  GUARD_BUSY,
  GUARD_DEADLINE,
  GUARD_HOTPLUG,
  GUARD_NMI_MASK,
  GUARD_REINIT,
  GUARD_RELEASE,
  GUARD_SERIALISE,
  GUARD_STACK,
  GUARD_UNIQUE,
  GUARD_VERSION,
};

/** True: a test has taken this guard out. */
@inline
export function is_out(guard: u32): bool {
  return (header().test_guards & guard) != 0;
}
