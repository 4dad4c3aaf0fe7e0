/** Figures for people. */

/** Bytes in binary units. */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A count with thousands apart. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** A count of things, such as `1 file` and `1,234 files`. */
export function counted(number: number, thing: string, things = `${thing}s`): string {
  return `${count(number)} ${number === 1 ? thing : things}`;
}

/** A span of time in its two largest units. */
export function duration(microseconds: number): string {
  const seconds = Math.max(0, Math.round(microseconds / 1e6));
  if (microseconds < 1e6) return `${Math.max(0, Math.round(microseconds / 1000))} ms`;
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A moment in local time, to the second. */
export function moment(microseconds: number): string {
  const date = new Date(microseconds / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** A metric value in few characters. */
export function figure(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) {
    return Math.abs(value) < 1e7 || !Number.isFinite(value) ? String(value) : value.toExponential(3);
  }
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e6 ? String(Number(value.toPrecision(5))) : value.toExponential(3);
}
