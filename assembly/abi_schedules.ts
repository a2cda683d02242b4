// More of the numbers that both compilers read (abi.ts): schedules chosen from outside, for the
// search and for tests of races.

/** Why hv_step_visible ended (hv/visible.ts). 0: the CPU could not run. */
export const VISIBLE_LIMIT = 1; // nothing that another CPU could see in so many instructions
export const VISIBLE_SHARED = 2; // it read or wrote memory that CPUs share
export const VISIBLE_CODE = 3; // it is in other code now, as far as patching is concerned
export const VISIBLE_PAUSE = 4; // it spins and lets others go on
export const VISIBLE_WAITS = 5; // it cannot go on by itself
export const VISIBLE_EVENT = 6; // a gate, another ring, an IPI sent
/** In I/O behind hv_watched: the frames written since the watch began. */
export const WATCHED_OFF = 0; // u32, linear
export const WATCHED_RECORD = 16;

/** Of the owners of frames (hv/frames.ts), those whose pages are noted. */
export const FRAME_OWNER_IMAGE = 1;
export const FRAME_OWNER_DOMAIN = 4;

/** Guards against races, which hv_test_guards takes out (hv/guards.ts). */
export const GUARD_BARRIER = 1; // patching waits until every CPU is at the patch point (R192)
export const GUARD_STACK = 2; // no changed code on a stack (R181)
export const GUARD_NMI_MASK = 4; // no NMI at the patch point (R223)
export const GUARD_SERIALISE = 8; // decoded code of changed pages is dropped (R218)
export const GUARD_BUSY = 16; // no action, no unload while work is scheduled (K61)
export const GUARD_DEADLINE = 32; // `time` ends the rendezvous (R193, R224)
export const GUARD_HOTPLUG = 64; // a CPU that comes meets the others at the patch point (R222)
export const GUARD_RELEASE = 128; // everybody is released when the time is over (R193)
export const GUARD_REINIT = 256; // writable data is as it was loaded when applied again
export const GUARD_UNIQUE = 512; // one payload of an id: asked where it is listed (R226)
export const GUARD_VERSION = 1024; // LIST's version changes with every add and remove (R107)

/** What hv_violation tells: an invariant of patching that was broken. */
export const VIOLATION_HALF_WRITTEN = 1; // a CPU is in the middle of an instruction that changes
export const VIOLATION_UNLOADED = 2; // a CPU's rip points into payload space where nothing is
export const VIOLATION_RETURN = 3; // a return address points there, or into the middle of a jump
export const VIOLATION_LATE = 4; // work is not over although its time is
export const VIOLATION_BETWEEN = 5; // memory is neither old nor new
export const VIOLATION_FAULT = 6; // the hypervisor faulted
export const VIOLATION_STALE = 7; // cached code differs from memory
export const VIOLATION_BARRIER = 9; // code changes and a CPU is not at the patch point
export const VIOLATION_ON_STACK = 10; // code changes and a CPU is in it, or will come back to it
export const VIOLATION_GUEST = 8; // a guest was crashed by a fault of its own
