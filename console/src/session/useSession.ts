import { useSyncExternalStore } from 'react'
import { currentSession, onSession, type Session } from './session'

export function useSession(): Session {
  return useSyncExternalStore(onSession, currentSession)
}
