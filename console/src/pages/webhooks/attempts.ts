/** Figures of the attempts of the deliveries that were loaded. */

import type { Attempt, Delivery } from './webhooks'

export type Points = { times: number[]; succeeded: (number | null)[]; failed: (number | null)[] }

export type Figures = { attempts: number; succeeded: number; half: number | null; most: number | null }

function ended(deliveries: Delivery[]): (Attempt & { duration_ms: number })[] {
  return deliveries
    .flatMap((it) => it.attempts)
    .filter((it): it is Attempt & { duration_ms: number } => it.duration_ms !== null)
    .sort((a, b) => a.at.localeCompare(b.at))
}

/** The attempts by time, in seconds, with their durations in milliseconds (at least 1, for a log scale). */
export function pointsOf(deliveries: Delivery[]): Points {
  const attempts = ended(deliveries)
  const only = (status: boolean) =>
    attempts.map((it) => ((it.status === 'succeeded') === status ? Math.max(1, it.duration_ms) : null))
  return {
    times: attempts.map((it) => new Date(it.at).getTime() / 1000),
    succeeded: only(true),
    failed: only(false),
  }
}

/** The value below which a share of the sorted values is (nearest rank). */
export function quantile(sorted: number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null
}

export function figuresOf(deliveries: Delivery[]): Figures {
  const attempts = ended(deliveries)
  const durations = attempts.map((it) => it.duration_ms).sort((a, b) => a - b)
  return {
    attempts: attempts.length,
    succeeded: attempts.filter((it) => it.status === 'succeeded').length,
    half: quantile(durations, 0.5),
    most: quantile(durations, 0.95),
  }
}

/** 120 ms, 1.2 s */
export function duration(ms: number, locale: string): string {
  const style = { style: 'unit', unitDisplay: 'short', maximumFractionDigits: 1 } as const
  return ms < 1000
    ? new Intl.NumberFormat(locale, { ...style, unit: 'millisecond' }).format(Math.round(ms))
    : new Intl.NumberFormat(locale, { ...style, unit: 'second' }).format(ms / 1000)
}
