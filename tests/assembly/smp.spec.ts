// Entry: many CPUs: interrupts, the stack check's search, steps of schedules.

import "./hv/cfa.spec";
import "./hv/frame_walk.spec";
import "./hv/interrupt.spec";
import "./hv/stack_scan.spec";
import "./hv/visible.spec";
