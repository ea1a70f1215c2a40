``twistd cluster --allow-listen PATTERN`` limits what workers may have the primary listen on, and ``--port-limit`` how many ports; as a library: ``Cluster(ports=PortSettings(...))``.
