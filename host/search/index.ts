// The search's part of the library (host/index.ts).

export type { Failure, Progress, Step } from "./explorer.js";
export {
  type Choice,
  formatHappening,
  formatSchedule,
  type Happening,
  parseHappening,
  parseSchedule,
  type Schedule,
} from "./schedule.js";
export { ACTIONS, type Action } from "./scripts.js";
export { replay, type SearchOptions, type SearchResult, search } from "./search.js";
