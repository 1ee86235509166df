/** Messages about finished actions, at the edge of the page. Those about failures stay until they are closed. */

import { X } from 'lucide-react'
import { useSyncExternalStore } from 'react'
import { useTexts } from '~/texts'

type Toast = { id: number; text: string; detail: string; bad: boolean }

const SHOWN_MS = 6000
let toasts: Toast[] = []
let last = 0
const listeners = new Set<() => void>()

function become(next: Toast[]): void {
  toasts = next
  for (const listener of listeners) listener()
}

function close(id: number): void {
  become(toasts.filter((it) => it.id !== id))
}

export function say(text: string, options: { detail?: string; bad?: boolean } = {}): void {
  const id = ++last
  become([...toasts.slice(-3), { id, text, detail: options.detail ?? '', bad: options.bad ?? false }])
  if (!options.bad) setTimeout(() => close(id), SHOWN_MS)
}

export function Toasts() {
  const texts = useTexts()
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => toasts,
  )
  return (
    <div className="toasts" aria-live="polite" role="status">
      {shown.map((it) => (
        <div key={it.id} className={it.bad ? 'toast bad' : 'toast'}>
          <div>
            {it.text}
            {it.detail && <div className="hint">{it.detail}</div>}
          </div>
          <button
            type="button"
            className="button plain icon"
            onClick={() => close(it.id)}
            aria-label={texts.common.close}
          >
            <X size={16} aria-hidden />
          </button>
        </div>
      ))}
    </div>
  )
}
