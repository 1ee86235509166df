import { useEffect, useRef, useState } from 'react'

const PAUSE_MS = 300

/** A typed text, which is passed on once the typing rests: for a field whose value is in the address. */
export function useTyped(value: string, tell: (value: string) => void): [string, (typed: string) => void] {
  const [typed, setTyped] = useState(value)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  return [
    typed,
    (next) => {
      setTyped(next)
      clearTimeout(timer.current)
      timer.current = setTimeout(() => tell(next.trim()), PAUSE_MS)
    },
  ]
}
