// What keeps the races of live patching away, each of them as a guard that a test, or a search that
// shows what it is for (`search --without`), may take out. Nobody else sets Header.test_guards; a
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

/** True: this guard is taken out. */
@inline
export function is_out(guard: u32): bool {
  return (header().test_guards & guard) != 0;
}
