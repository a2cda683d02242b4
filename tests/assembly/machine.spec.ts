// Entry: the hypervisor, from an image's bytes to calls, hypercalls and a machine that runs.

import "./hv/frames.spec";
import "./hv/journal.spec";
import "./hv/sort.spec";
import "./hv/image_file.spec";
import "./hv/image_pages.spec";
import "./hv/symbols.spec";
import "./hv/call.spec";
import "./hv/hypercall.spec";
import "./hv/sysctl.spec";
import "./hv/sched.spec";
import "./hv/boot.spec";
