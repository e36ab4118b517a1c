;; Declares 512 MiB and writes to the last page of it.
(module
  (memory (export "memory") 8192)
  (func (export "_start") (i32.store (i32.const 536870908) (i32.const 1))))
