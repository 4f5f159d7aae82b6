@echo off
rem Installs the Fleetwright agent as a service from the folder that this file was unpacked into.
rem Run it as an administrator. Needs no PowerShell.
setlocal
"%~dp0fleetwright-agent.exe" install %*
if errorlevel 1 exit /b %errorlevel%
echo.
echo The service is installed. To let this host join a fleet, run what "fleetwright activation create" prints:
echo   "%ProgramFiles%\Fleetwright\fleetwright-agent.exe" enroll
endlocal
