import type { components } from './schema'

type Body = components['schemas']['Problem']
export type FieldError = { pointer?: string; message?: string; detail?: string }

/** An answer of the API that refuses a request (RFC 9457), or the loss of the connection: then `status` is 0. */
export class Problem extends Error {
  readonly status: number
  readonly code: string
  readonly body: Partial<Body>
  readonly requestId: string | null
  readonly retryAfterSeconds: number | null

  constructor(status: number, body: Partial<Body>, headers?: Headers) {
    super(body.detail ?? body.title ?? (body as { message?: string }).message ?? '')
    this.status = status
    this.code = body.code ?? (status === 0 ? 'offline' : 'unknown')
    this.body = body
    this.requestId = body.request_id ?? headers?.get('X-Request-Id') ?? null
    const seconds = Number(headers?.get('Retry-After') ?? Number.NaN)
    this.retryAfterSeconds = Number.isFinite(seconds) ? seconds : null
  }

  /** Whether the same request may succeed a little later. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status === 502 || this.status === 503
  }

  /** The errors of the fields, by the name of the field: `#/items/0/quantity` is `items.0.quantity`. */
  get fieldErrors(): Record<string, string> {
    const found: Record<string, string> = {}
    for (const error of (this.body.errors ?? []) as FieldError[]) {
      const name = (error.pointer ?? '').replace(/^#?\//, '').replaceAll('/', '.')
      found[name] ??= error.detail ?? error.message ?? ''
    }
    return found
  }
}

/** The errors of the fields, by the first part of their place: `events.0` belongs to `events`. */
export function fieldErrors(error: unknown): Record<string, string> {
  const found: Record<string, string> = {}
  if (error instanceof Problem)
    for (const [place, text] of Object.entries(error.fieldErrors)) found[place.split('.')[0] ?? ''] ??= text
  return found
}

/** Whether a change was refused because someone else has changed the same resource meanwhile. */
export function isStale(error: unknown): boolean {
  return error instanceof Problem && error.status === 412
}

/** Whether a page of a list was refused because of its cursor, such as one of another user. */
export function isCursorRefused(error: unknown): boolean {
  return error instanceof Problem && error.status === 422 && '?cursor' in error.fieldErrors
}

/** Whether there is nothing at the address, or no longer. */
export function isGone(error: unknown): boolean {
  return error instanceof Problem && (error.status === 404 || error.status === 410)
}
