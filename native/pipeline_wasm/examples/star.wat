;; A guest by hand: it adds one to the stars of what is published. docs/sandbox-abi.md explains each line.
(module
  (import "pipeline" "field_get" (func $field_get (param i32 i32 i32) (result i32)))
  (import "pipeline" "field_put" (func $field_put (param i32 i32 i32 i32)))
  (memory (export "memory") 1)

  ;; "/stars" stands at 0; the cell for its value at 8.
  (data (i32.const 0) "/stars")

  ;; Memory for bytes that the host hands over. This guest reads numbers only, so any place will do.
  (func (export "pipeline_alloc") (param $length i32) (result i32)
    (i32.const 1024))

  (func (export "before_publish") (result i32)
    ;; 3 is the kind of an integer. Whatever is no integer stays as it is.
    (if (i32.eq (call $field_get (i32.const 0) (i32.const 6) (i32.const 8)) (i32.const 3))
      (then
        (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1)))
        (call $field_put (i32.const 0) (i32.const 6) (i32.const 3) (i32.const 8))))
    ;; 0 means that the run goes on.
    (i32.const 0))

  (@custom "pipeline-plugin"
    "{\"id\": \"star\", \"version\": \"1.0.0\","
    " \"hooks\": [{\"kind\": \"before\", \"point\": \"publish\"}],"
    " \"asks\": {\"read\": [\"/stars\"], \"write\": [\"/stars\"]}}"))
