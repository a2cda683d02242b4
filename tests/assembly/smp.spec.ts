// Entry: many CPUs: interrupts, the stack check's search, guests' programs.

import "./hv/cfa.spec";
import "./hv/frame_walk.spec";
import "./hv/interrupt.spec";
import "./hv/stack_scan.spec";
