import { api, body, type OrderStatus, type Page, type Schemas } from '~/api/client'
import { given } from '~/api/query'

export type Export = Schemas['ExportResponse']
export type Schedule = Schemas['ScheduleResponse']
export type Report = Schemas['ExportReport']

export const REPORTS: Report[] = ['orders', 'sales', 'inventory']
export const STATUSES: OrderStatus[] = [
  'pending',
  'confirmed',
  'shipped',
  'delivered',
  'returned',
  'cancelled',
  'expired',
]

type Columns = { usual: string[]; further: string[] }

/** The columns of each report. Further ones are in files whose request names them: they identify the customer. */
export const COLUMNS: Record<Report, Columns> = {
  orders: {
    usual: [
      ...['order_id', 'order_number', 'status', 'created_at', 'customer_id', 'line', 'product_id', 'sku'],
      ...['name', 'category', 'quantity', 'unit_price', 'line_total', 'shipping_cost', 'order_total'],
      'currency',
    ],
    further: [
      ...['customer_email', 'shipping_name', 'shipping_line1', 'shipping_line2', 'shipping_city'],
      ...['shipping_postal_code', 'shipping_region', 'shipping_country', 'note', 'carrier'],
      ...['tracking_number', 'tracking_url', 'shipped_at'],
    ],
  },
  inventory: {
    usual: [
      ...['product_id', 'sku', 'name', 'category', 'status', 'price', 'currency', 'on_hand', 'available'],
      ...['reserved', 'low_stock_threshold', 'created_at'],
    ],
    further: [],
  },
  sales: {
    usual: [
      ...['date', 'orders', 'units', 'revenue', 'shipping', 'cancelled', 'returned', 'pending', 'currency'],
    ],
    further: [],
  },
}

/** The chosen columns in the order of the report, or undefined for those of a file without a choice. */
export function columnsOf(report: Report, chosen: ReadonlySet<string>): string[] | undefined {
  const { usual, further } = COLUMNS[report]
  const columns = [...usual, ...further].filter((it) => chosen.has(it))
  return columns.join() === usual.join() ? undefined : columns
}

export function isUnfinished(it: Pick<Export, 'status'>): boolean {
  return it.status === 'queued' || it.status === 'running'
}

export async function readExports(cursor?: string): Promise<Page<Export>> {
  const query = { limit: 30, ...given({ cursor }) }
  return body(api.GET('/api/v1/reports/exports', { params: { query } }))
}

export async function readExport(id: string): Promise<Export> {
  return body(api.GET('/api/v1/reports/exports/{export_id}', { params: { path: { export_id: id } } }))
}

export async function createExport(wanted: Schemas['CreateExportRequest'], key: string): Promise<Export> {
  const params = { header: { 'Idempotency-Key': key } }
  return body(api.POST('/api/v1/reports/exports', { params, body: wanted }))
}

export async function cancelExport(id: string): Promise<void> {
  await body(api.DELETE('/api/v1/reports/exports/{export_id}', { params: { path: { export_id: id } } }))
}

export async function readSchedules(cursor?: string): Promise<Page<Schedule>> {
  const query = { limit: 50, ...given({ cursor }) }
  return body(api.GET('/api/v1/reports/schedules', { params: { query } }))
}

export async function createSchedule(
  wanted: Schemas['CreateScheduleRequest'],
  key: string,
): Promise<Schedule> {
  const params = { header: { 'Idempotency-Key': key } }
  return body(api.POST('/api/v1/reports/schedules', { params, body: wanted }))
}

export async function deleteSchedule(id: string): Promise<void> {
  await body(api.DELETE('/api/v1/reports/schedules/{schedule_id}', { params: { path: { schedule_id: id } } }))
}

/** Downloads the file of an export by a new link, since a link works for a quarter of an hour alone. */
export async function download(id: string): Promise<void> {
  const { url } = await readExport(id)
  if (url) location.assign(url)
}

/** 1.2 MB */
export function fileSize(bytes: number, locale: string): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte']
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  const style = {
    style: 'unit',
    unit: units[step],
    unitDisplay: step ? 'short' : 'long',
    maximumFractionDigits: 1,
  } as const
  return new Intl.NumberFormat(locale, style as Intl.NumberFormatOptions).format(bytes / 1000 ** step)
}

/** E-mail addresses that are separated by commas, semicolons, blanks or lines, each once. */
export function addressesOf(text: string): string[] {
  return [...new Set(text.split(/[\s,;]+/).filter(Boolean))]
}
