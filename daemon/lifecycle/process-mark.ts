/** A text that names a process among all of all machines, so that others can tell whether it is gone. */
import { liveProcess, lives, thisMachine } from "./processes.ts";

/** `<boot id>.<pid namespace>.<pid>.<start time>`. Empty where the system does not say enough. */
export function processMark(pid = process.pid): string {
  const { boot, namespace } = thisMachine();
  const found = liveProcess(pid);
  if (boot === "" || namespace === 0 || found === undefined || found.startTicks === 0) return "";
  return `${boot}.${namespace}.${pid}.${found.startTicks}`;
}

/** Whether the process of a mark is surely gone. False for one of another machine, of which nothing is known here. */
export function isProcessGone(mark: string): boolean {
  const [boot, namespace, pid, startTicks] = mark.split(".");
  const here = thisMachine();
  if (here.boot === "" || boot !== here.boot || Number(namespace) !== here.namespace) return false;
  return !lives({ pid: Number(pid), startTicks: Number(startTicks) });
}
