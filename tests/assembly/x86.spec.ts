// Entry: the interpreter, where the comparison with real processors (tests/native) does not reach.

import "./hv/x86/decode.spec";
import "./hv/x86/run.spec";
import "./hv/x86/cache.spec";
import "./hv/x86/string.spec";
import "./hv/x86/system.spec";
import "./hv/x86/segment.spec";
import "./hv/x86/control.spec";
import "./hv/x86/xsave.spec";
import "./hv/x86/trap.spec";
