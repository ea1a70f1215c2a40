``twistd cluster --workers 4 TARGET`` runs an unmodified Twisted application in several processes behind one port.
