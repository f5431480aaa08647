"""The operator's page: shows and commands the station; never talks to a device itself."""
