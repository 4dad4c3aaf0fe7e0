/** An audit log in a folder of its own. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AuditEntry, ReadAuditRequest } from "@pipekit/proto";
import { afterEach, vi } from "vitest";
import { AuditLog, readAudit } from "../../daemon/audit/index.ts";

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function auditFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "pkx-"));
  folders.push(folder);
  return folder;
}

/** A log whose files are small, with what it told the daemon's log. */
export function openLog(folder = auditFolder(), maxFileBytes = 1000) {
  const error = vi.fn();
  return {
    log: new AuditLog({ folder, maxFileBytes, log: { info: () => undefined, error } }),
    folder,
    error,
  };
}

export function filesOf(folder: string): Map<string, Buffer> {
  return new Map(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name))]),
  );
}

export async function entriesOf(
  log: AuditLog,
  request: Partial<ReadAuditRequest> = {},
): Promise<AuditEntry[]> {
  return Array.fromAsync(readAudit(log, ReadAuditRequest.fromPartial(request), new AbortController().signal));
}
