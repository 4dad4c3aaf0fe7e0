/**
 * Rows of the exporter's Parquet files (Snappy), a row group at a time: `neptune-exporter` writes one for each batch, and
 * pyarrow never more than 2^20 rows in one. Times come as unix microseconds.
 */
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
} from "hyparquet";

/** A row; what does not belong to its type is absent. */
export interface AttributeRow {
  readonly path: string;
  readonly type: string;
  readonly step: number | undefined;
  readonly timeUs: number | undefined;
  readonly value: unknown;
}

/** Columns, in the order of the members of `rowAt`. */
const COLUMNS = [
  ...["attribute_path", "attribute_type", "step", "timestamp"],
  ...[
    "int_value",
    "float_value",
    "string_value",
    "bool_value",
    "datetime_value",
    "string_set_value",
    "file_value",
  ],
];

/** Column of the value of a type; a type that is not here has none that can be carried. */
const VALUE_OF: Readonly<Record<string, string>> = {
  int: "int_value",
  float: "float_value",
  string: "string_value",
  bool: "bool_value",
  datetime: "datetime_value",
  string_set: "string_set_value",
  float_series: "float_value",
  file: "file_value",
  file_set: "file_value",
  file_series: "file_value",
  artifact: "file_value",
};

const PARSERS = { timestampFromMilliseconds: (ms: bigint): number => Number(ms) * 1000 };

type Columns = Readonly<Record<string, ArrayLike<unknown>>>;

/** A file of the exporter. */
export class Table {
  readonly #file: AsyncBuffer;
  readonly #metadata: FileMetaData;

  private constructor(file: AsyncBuffer, metadata: FileMetaData) {
    this.#file = file;
    this.#metadata = metadata;
  }

  /** Throws for what is no Parquet file, and faults of the file system. */
  static async open(path: string): Promise<Table> {
    const file = await asyncBufferFromFile(path);
    return new Table(file, await parquetMetadataAsync(file));
  }

  /** Project and run of the first row. */
  async identity(): Promise<{ readonly project: string; readonly run: string } | undefined> {
    const columns = await this.#read(["project_id", "run_id"], 0, 1);
    const [project, run] = [columns["project_id"]?.[0], columns["run_id"]?.[0]];
    return typeof project === "string" && typeof run === "string" ? { project, run } : undefined;
  }

  /** The rows, group by group. */
  async *groups(): AsyncGenerator<Iterable<AttributeRow>> {
    let start = 0;
    for (const { num_rows } of this.#metadata.row_groups) {
      const end = start + Number(num_rows);
      if (end > start) yield rowsOf(await this.#read(COLUMNS, start, end), end - start);
      start = end;
    }
  }

  async #read(columns: string[], rowStart: number, rowEnd: number): Promise<Columns> {
    const read: Record<string, ArrayLike<unknown>> = {};
    await parquetRead({
      file: this.#file,
      metadata: this.#metadata,
      columns,
      rowStart,
      rowEnd,
      parsers: PARSERS,
      onChunk: ({ columnName, columnData }) => {
        read[columnName] = columnData;
      },
    });
    return read;
  }
}

function* rowsOf(columns: Columns, count: number): Generator<AttributeRow> {
  for (let i = 0; i < count; i++) {
    const type = String(columns["attribute_type"]?.[i]);
    const valueColumn = VALUE_OF[type];
    yield {
      path: String(columns["attribute_path"]?.[i]),
      type,
      step: numberOr(columns["step"]?.[i]),
      timeUs: numberOr(columns["timestamp"]?.[i]),
      value: valueColumn === undefined ? undefined : (columns[valueColumn]?.[i] ?? undefined),
    };
  }
}

function numberOr(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
