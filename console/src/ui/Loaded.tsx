import type { ReactNode } from 'react'
import { Failed } from './problems'
import { Skeleton } from './Skeleton'

type Reading<Data> = { data: Data | undefined; error: Error | null; refetch: () => unknown }

/** The data of a query, or what is in their place while they are read and after a failure. */
export function Loaded<Data>(props: {
  query: Reading<Data>
  lines?: number
  children: (data: Data) => ReactNode
}) {
  const { data, error, refetch } = props.query
  if (data !== undefined) return props.children(data)
  return error ? (
    <Failed error={error} retry={() => void refetch()} />
  ) : (
    <Skeleton {...(props.lines ? { lines: props.lines } : {})} />
  )
}
