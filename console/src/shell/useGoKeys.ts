import { useNavigate } from '@tanstack/react-router'
import { useEffect } from 'react'
import { isTyping } from '~/ui/useRows'

const PLACES: Record<string, string> = {
  h: '/',
  o: '/orders',
  p: '/products',
  c: '/stock-count',
  r: '/reports',
  w: '/webhooks',
}
const WITHIN_MS = 1200

/** `g` and then a letter goes to a page. */
export function useGoKeys(): void {
  const navigate = useNavigate()
  useEffect(() => {
    let pressedAt = 0
    const press = (event: KeyboardEvent) => {
      if (isTyping(event)) return
      const place = PLACES[event.key]
      if (event.key === 'g') pressedAt = event.timeStamp
      else if (place && event.timeStamp - pressedAt < WITHIN_MS) {
        pressedAt = 0
        void navigate({ to: place })
      }
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [navigate])
}
