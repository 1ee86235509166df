import { useQuery } from '@tanstack/react-query'
import { readStaff } from './audit'

/** The managers and admins by id, read once. */
export function useStaff() {
  return useQuery({ queryKey: ['users', 'staff'], queryFn: readStaff, staleTime: Number.POSITIVE_INFINITY })
}
