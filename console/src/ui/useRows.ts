import { useEffect, useState } from 'react'

/** Whether a key is part of a typed text or of an open dialog, and so not a shortcut. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement
  if (event.metaKey || event.ctrlKey || event.altKey) return true
  return !!target.closest('input:not([type=checkbox]), textarea, select, [contenteditable], [role=dialog]')
}

/** The row that j and k move over. Returns its index, -1 at first; Enter opens it, x selects it. */
export function useRows(
  length: number,
  act: { open: (row: number) => void; select?: (row: number) => void },
): number {
  const [active, setActive] = useState(-1)
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (isTyping(event)) return
      if (event.key === 'j') setActive((it) => Math.min(it + 1, length - 1))
      else if (event.key === 'k') setActive((it) => Math.max(it - 1, 0))
      else if (event.key === 'x' && active >= 0) act.select?.(active)
      else if (
        (event.key === 'Enter' || event.key === 'o') &&
        active >= 0 &&
        document.activeElement === document.body
      )
        act.open(active)
      else return
      event.preventDefault()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [length, act, active])
  useEffect(() => {
    document.querySelector('tr[data-active=true]')?.scrollIntoView({ block: 'nearest' })
  })
  return active < length ? active : -1
}
