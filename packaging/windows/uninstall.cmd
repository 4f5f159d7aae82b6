@echo off
rem Removes the Fleetwright agent's service and program. With --purge also everything that it kept on this host.
rem Run it as an administrator from the folder that it was unpacked into.
setlocal
"%~dp0fleetwright-agent.exe" uninstall %*
exit /b %errorlevel%
