defmodule Pipeline.Plugin.ConfigSchema do
  @moduledoc """
  Describes the configuration of a plugin, so that mistakes in it are found before the plugin is started.

      defmodule MyApp.Plugins.Chat do
        use Pipeline.Plugin, id: :chat

        @impl Pipeline.Plugin
        def config_schema do
          [
            model: [type: :string, required: true, doc: "Which model answers."],
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

  It is a keyword list, a field and its options each, in the form that NimbleOptions has made familiar. The manager
  checks the configuration against it when the plugin is loaded and when `Pipeline.Plugin.Manager.update_config/3`
  brings another, and fills in the defaults: `c:Pipeline.Plugin.init/1` gets the result. A plugin without a schema gets
  what it is given.

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

    * `:type` - see below, by default `:any`, and `:map` with `:keys`
    * `:required` - when `true`, the field has to be given
    * `:default` - the value of a field that is not given; it has to fit the type itself. A field without one that is
      not given is not in the result. That holds for nested ones too: with `default: %{}` a nested map is there in any
      case, with its own defaults
    * `:keys` - the schema of a nested `:map` or `:keyword_list`
    * `:secret` - when `true`, its value is shown in no message
    * `:doc` - a text for `docs/1`; `false` leaves the field out there

  ## Types

    * `:any`, `:atom`, `:boolean`, `:integer`, `:non_neg_integer`, `:pos_integer`, `:float`, `:number`, `:string`,
      `:map`, `:keyword_list`, `:module`, `:pid`, `:timeout` (milliseconds or `:infinity`), `:mfa`, `nil`
    * `{:in, choices}` - one of a list or of a range
    * `{:list, type}`, `{:tuple, types}`, `{:map, key_type, value_type}`, `{:struct, module}`, `{:fun, arity}`
    * `{:map, schema}`, `{:keyword_list, schema}` - nested, where `:keys` does not reach: in a list, for instance
    * `{:or, types}` - the first that fits
    * `{:custom, fun}`, `{:custom, module, function, args}` - called with the value, before `args`, returns
      `{:ok, value}`, which may be another value, or `{:error, message}`

  ## Keys and values from outside

  A configuration that was read from JSON or YAML has strings for keys. A string stands for the declared field of that
  name, and for the atom of that name among the choices of `:in`; the result has the atom. No atom is made of it, since
  only what the schema declares is compared. A field that is given under both is an error. Values of the type
  `:atom` stay strings, and so are refused. A nested map may be given as a keyword list, and the other way round.
  """

  alias Pipeline.Plugin.ConfigSchema.{Definition, Documentation, Fields, Problem}

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
  Checks a configuration and fills in the defaults.

  The error has all mistakes, each with its path. A schema that is wrong itself is `{:invalid_schema, problems}`.
  """
  @spec validate(term, t) :: {:ok, map} | {:error, error}
  def validate(config, schema) do
    with :ok <- check(schema) do
      with {:error, problems} <- Fields.cast_map(schema, config, []) do
        {:error, {:invalid_config, problems}}
      end
    end
  end

  @doc """
  Checks a schema.

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
  The documentation of a schema, as a Markdown list. Raises `ArgumentError` for a schema that is wrong.

      iex> Pipeline.Plugin.ConfigSchema.docs(model: [type: :string, required: true, doc: "Which model answers."])
      "* `:model` - a string, required. Which model answers."
  """
  @spec docs(t) :: String.t()
  def docs(schema) do
    case check(schema) do
      :ok -> Documentation.of(schema)
      {:error, error} -> raise ArgumentError, format(error)
    end
  end

  @doc "A sentence for the error of `validate/2` and `check/1`."
  @spec format(error) :: String.t()
  def format({:invalid_config, problems}), do: "its configuration does not fit: " <> join(problems)

  def format({:invalid_schema, problems}) do
    "its config_schema/0 is wrong, not the configuration: " <> join(problems)
  end

  defp join(problems), do: Enum.map_join(problems, "; ", &to_string/1)
end
