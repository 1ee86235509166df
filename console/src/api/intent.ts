import { useCallback, useRef } from 'react'
import { newKey } from './client'

/** Gives one key to one intent: the same request, sent again after a lost answer, has the same key. */
export function useIntentKey(): (intent: unknown) => string {
  const last = useRef({ name: '', key: '' })
  return useCallback((intent) => {
    const name = JSON.stringify(intent)
    if (last.current.name !== name) last.current = { name, key: newKey() }
    return last.current.key
  }, [])
}
