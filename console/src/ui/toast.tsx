/** Messages about finished actions, at the edge of the page. Those about failures stay until they are closed. */

import { X } from 'lucide-react'
import { useSyncExternalStore } from 'react'
import { useTexts } from '~/texts'

type Undo = () => unknown
type Toast = { id: number; text: string; detail: string; bad: boolean; undo: Undo | undefined }

const SHOWN_MS = 6000
// Long enough to read the message and to reach its button.
const UNDO_MS = 12_000
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

/** `undo` reverses the finished action: the message has a button for it. */
export function say(text: string, options: { detail?: string; bad?: boolean; undo?: Undo } = {}): void {
  const id = ++last
  const { detail = '', bad = false, undo } = options
  become([...toasts.slice(-3), { id, text, detail, bad, undo }])
  if (!bad) setTimeout(() => close(id), undo ? UNDO_MS : SHOWN_MS)
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
          {it.undo && (
            <button
              type="button"
              className="button"
              onClick={() => {
                close(it.id)
                it.undo?.()
              }}
            >
              {texts.common.undo}
            </button>
          )}
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
