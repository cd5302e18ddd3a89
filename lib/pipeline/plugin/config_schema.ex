defmodule Pipeline.Plugin.ConfigSchema do
  @moduledoc """
  Describes and validates the configuration of a plugin.

      defmodule MyApp.Plugins.Chat do
        use Pipeline.Plugin, id: :chat

        @impl Pipeline.Plugin
        def config_schema do
          [
            model: [type: :string, required: true, doc: "The model that answers."],
            llm: [
              default: %{},
              keys: [
                retries: [type: :pos_integer, default: 3],
                tone: [type: {:in, [:plain, :formal]}, default: :plain]
              ]
            ],
            api_key: [type: :string, secret: true]
          ]
        end
      end

  A schema is a keyword list of fields with their options, in the style of NimbleOptions. The manager
  validates the configuration when it loads the plugin, and again in
  `Pipeline.Plugin.Manager.update_config/3`. It fills in defaults and passes the result to
  `c:Pipeline.Plugin.init/1`. A plugin without a schema gets its configuration unchanged.

  Validation reports every error at once, each with its path:

      iex> schema = [llm: [keys: [retries: [type: :pos_integer, default: 3]]], model: [type: :string, required: true]]
      iex> Pipeline.Plugin.ConfigSchema.validate(%{"model" => "large", llm: []}, schema)
      {:ok, %{llm: %{retries: 3}, model: "large"}}
      iex> {:error, {:invalid_config, problems}} =
      ...>   Pipeline.Plugin.ConfigSchema.validate(%{llm: %{retries: -1}, modell: "large"}, schema)
      iex> Enum.map(problems, &to_string/1)
      ["modell: unknown field. Did you mean :model? Known: :llm, :model",
       "llm.retries: expected a positive integer, got: -1",
       "model: is required"]

  ## Options of a field

    * `:type` - see "Types"; by default `:any`, or `:map` with `:keys`
    * `:required` - when `true`, the field must be given
    * `:default` - the value of a field that is not given. It must fit the type. Without a default, the result
      has no such field; so give a nested map `default: %{}` to get its defaults in every case
    * `:keys` - the schema of a nested `:map` or `:keyword_list`
    * `:secret` - when `true`, the value is shown nowhere, see "Secrets"
    * `:doc` - a text for `docs/1`; `false` leaves the field out

  ## Types

    * `:any`, `:atom`, `:boolean`, `:integer`, `:non_neg_integer`, `:pos_integer`, `:float`, `:number`,
      `:string`, `:map`, `:keyword_list`, `:module`, `:pid`, `:timeout` (milliseconds or `:infinity`), `:mfa`,
      `nil`
    * `{:in, choices}` - an element of a list or a range
    * `{:list, type}`, `{:tuple, types}`, `{:map, key_type, value_type}`, `{:struct, module}`, `{:fun, arity}`
    * `{:map, schema}`, `{:keyword_list, schema}` - a nested schema where `:keys` cannot stand, such as in a
      list
    * `{:or, types}` - the first type that fits
    * `{:custom, fun}`, `{:custom, module, function, args}` - a function that takes the value, followed by
      `args`, and returns `{:ok, value}`, possibly with another value, or `{:error, message}`

  ## Strings for keys and values

  A configuration from JSON or YAML has strings as keys. A string names the declared field of the same text,
  and an atom among the choices of `:in`; the result holds the atom. Only declared names are compared, so no
  atom is made. A field given both as a string and as an atom is an error. The type `:atom` refuses strings. A
  keyword list can be given for a nested map, and a map for a nested keyword list.

  ## Secrets

  The value of a field with `secret: true` reaches the plugin's callbacks and nobody else. `"[FILTERED]"` stands in its
  place in `Pipeline.Plugin.Manager.plugin_info/2` and `Pipeline.Plugin.Registry`, in errors, events, traces, log messages
  and crash reports, and in `:sys.get_status/1` of the plugin's process; there it is replaced also within other texts and
  terms, such as a reason that contains it. Text of fewer than four bytes is replaced only where it is a whole string, and
  atoms are not replaced at all. Until a configuration is validated, all its values count as secret.

  The plugin's process and those of its `children/1` cannot log it either, nor what these start. Answers to RPC calls and
  events are the plugin's own business: put no secret there.
  """

  alias Pipeline.Plugin.ConfigSchema.{Definition, Documentation, Fields, Problem, Secret}

  @type t :: [{field :: atom, [field_option]}]
  @type field_option ::
          {:type, type}
          | {:required, boolean}
          | {:default, term}
          | {:keys, t}
          | {:secret, boolean}
          | {:doc, String.t() | false}
  @typedoc "See the module's documentation."
  @type type :: atom | tuple

  @type error :: {:invalid_config, [Problem.t()]} | {:invalid_schema, [Problem.t()]}

  @doc """
  Validates a configuration and fills in the defaults.

  The error lists every problem with its path. A wrong schema is `{:invalid_schema, problems}`.
  """
  @spec validate(term, t) :: {:ok, map} | {:error, error}
  def validate(config, schema) do
    with :ok <- check(schema) do
      with {:error, problems} <- Fields.cast_map(schema, config, []) do
        {:error, {:invalid_config, problems}}
      end
    end
  end

  @doc false
  # The secrets of a configuration that `validate/2` returned.
  @spec secrets(map, t) :: Pipeline.Secrets.t() | nil
  defdelegate secrets(config, schema), to: Secret, as: :of

  @doc """
  Validates a schema.

      iex> {:error, {:invalid_schema, [problem]}} = Pipeline.Plugin.ConfigSchema.check(retries: [type: :pos_int])
      iex> to_string(problem)
      "retries: unknown type :pos_int. Did you mean :pos_integer?"
  """
  @spec check(term) :: :ok | {:error, {:invalid_schema, [Problem.t()]}}
  def check(schema) do
    case Definition.problems(schema, []) do
      [] -> :ok
      problems -> {:error, {:invalid_schema, problems}}
    end
  end

  @doc """
  Returns the documentation of a schema as a Markdown list. Raises `ArgumentError` for a wrong schema.

      iex> Pipeline.Plugin.ConfigSchema.docs(model: [type: :string, required: true, doc: "The model that answers."])
      "* `:model` - a string, required. The model that answers."
  """
  @spec docs(t) :: String.t()
  def docs(schema) do
    case check(schema) do
      :ok -> Documentation.of(schema)
      {:error, error} -> raise ArgumentError, format(error)
    end
  end

  @doc "Returns the error of `validate/2` or `check/1` as a sentence."
  @spec format(error) :: String.t()
  def format({:invalid_config, problems}), do: "its configuration is invalid: " <> join(problems)

  def format({:invalid_schema, problems}) do
    "its config_schema/0 is invalid, not the configuration: " <> join(problems)
  end

  defp join(problems), do: Enum.map_join(problems, "; ", &to_string/1)
end
