import { useEffect, useState } from 'react'

/** Whether a key is part of a typed text or of an open dialog, and so not a shortcut. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement
  if (event.metaKey || event.ctrlKey || event.altKey) return true
  return !!target.closest('input:not([type=checkbox]), textarea, select, [contenteditable], [role=dialog]')
}

/** The row that j and k move over. Returns its index, -1 at first; Enter opens it, x selects it. */
export function useRows<Item>(
  items: Item[],
  act: { open: (item: Item) => unknown; select?: (item: Item) => unknown },
): number {
  const [row, setRow] = useState(-1)
  const active = row < items.length ? row : -1
  useEffect(() => {
    const item = items[active]
    const press = (event: KeyboardEvent) => {
      if (isTyping(event)) return
      if (event.key === 'j') setRow(Math.min(active + 1, items.length - 1))
      else if (event.key === 'k') setRow(Math.max(active - 1, 0))
      else if (event.key === 'x' && item) act.select?.(item)
      else if (
        (event.key === 'Enter' || event.key === 'o') &&
        item &&
        document.activeElement === document.body
      )
        act.open(item)
      else return
      event.preventDefault()
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [items, act, active])
  useEffect(() => {
    if (active >= 0) document.querySelector('tr[data-active=true]')?.scrollIntoView({ block: 'nearest' })
  }, [active])
  return active
}
