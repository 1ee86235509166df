import { useEffect, useRef, useState } from 'react'

const PAUSE_MS = 220

/**
 * The text of a field whose value is in the address. `onSettled` puts it there a moment after the last key, or at once
 * by `settle`.
 */
export function useTyped(value: string, onSettled: (text: string) => Promise<unknown>) {
  // What was typed and is not in the address yet.
  const [typed, setTyped] = useState<string | null>(null)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])

  function settle(text: string) {
    clearTimeout(timer.current)
    void onSettled(text.trim()).then(() => setTyped((it) => (it === text ? null : it)))
  }

  function type(text: string) {
    setTyped(text)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => settle(text), PAUSE_MS)
  }

  return { text: typed ?? value, type, settle }
}
