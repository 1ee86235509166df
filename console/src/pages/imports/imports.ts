import { api, body, type Page, type Schemas, writing } from '~/api/client'
import { Problem } from '~/api/problem'
import { given } from '~/api/query'

export type Import = Schemas['ImportResponse']
export const POLL_MS = 2000

const path = (id: string) => ({ params: { path: { import_id: id } } })

export async function readImports(cursor?: string): Promise<Page<Import>> {
  const query = { limit: 30, ...given({ cursor }) }
  return body(api.GET('/api/v1/imports', { params: { query } }))
}

export type Wanted = Pick<Schemas['CreateImportRequest'], 'kind' | 'dry_run'>

/** Creates an import, uploads its file and starts it. The same key continues with the same import. */
export async function importFile(file: File, wanted: Wanted, key: string): Promise<void> {
  const format = /\.(jsonl|ndjson)$/i.test(file.name) ? 'jsonl' : 'csv'
  const created = await body(
    api.POST('/api/v1/imports', {
      params: { header: writing(key) },
      body: { ...wanted, format, size: file.size },
    }),
  )
  if (created.status !== 'created' || !created.upload) return
  await upload(file, created.upload)
  await body(api.POST('/api/v1/imports/{import_id}/start', path(created.id)))
}

/** Uploads by the signed link, at this page's origin: the server passes /uploads/ on to the link's bucket. */
async function upload(file: File, to: Schemas['ImportUpload']): Promise<void> {
  const { pathname, search } = new URL(to.url)
  const place = pathname.slice(pathname.indexOf('/uploads/'))
  const request = { method: to.method, headers: to.headers, body: file, credentials: 'omit' as const }
  const answer = await fetch(place + search, request).catch(() => null)
  if (!answer?.ok) throw new Problem(answer?.status ?? 0, {})
}

/** Rows until then stay applied. */
export async function cancelImport(id: string): Promise<void> {
  await body(api.DELETE('/api/v1/imports/{import_id}', path(id)))
}

/** Downloads the errors of the rows, as JSON lines. The link is in the single import alone. */
export async function downloadErrors(id: string): Promise<void> {
  const { result_url } = await body(api.GET('/api/v1/imports/{import_id}', path(id)))
  if (result_url) location.assign(result_url)
}

export function isUnfinished(it: Pick<Import, 'status'>): boolean {
  return it.status === 'created' || isMoving(it)
}

/** Whether its progress changes without a further request. */
export function isMoving(it: Pick<Import, 'status'>): boolean {
  return it.status === 'queued' || it.status === 'running'
}
